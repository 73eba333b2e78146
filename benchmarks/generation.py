"""Measure greedy generation in tokens per second: noiseband, no cache, and transformers.

python -m benchmarks.generation             # one CPU thread
python -m benchmarks.generation --only 256  # only comparisons with 256 in their name
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.contenders import Work, hugging_face
from benchmarks.machine import machine
from benchmarks.side_by_side import Contender, Measured, Pace, measure, ratios, table
from noiseband.determinism import make_deterministic
from noiseband.model.generate import for_few_rows, generate
from noiseband.model.gpt import GPT, empty_model
from noiseband.study import load_study
from noiseband.study.params import TrainParams
from noiseband.study.recipe import Recipe
from noiseband.study.runs import apply
from noiseband.study.seeds import run_seeds


@dataclass(frozen=True)
class Plan:
    """One comparison: a model, and texts to continue."""

    model: dict[str, Any]
    """Changes to the pocket recipe's model."""
    prompt: int
    """The number of tokens of each prompt."""
    new: int
    """The number of tokens to add to each prompt."""
    texts: int
    """The number of texts in a batch."""
    uncached: bool
    """Whether to include generation without a cache, which is slow."""


POCKET: dict[str, Any] = {}
SMALL = {"vocabulary": 4096, "context": 512, "width": 256, "heads": 4, "layers": 4}
GPT2 = {"vocabulary": 50257, "context": 1024, "width": 768, "heads": 12, "layers": 12}
PLANS = {
    "pocket, 16 texts": Plan(POCKET, prompt=16, new=32, texts=16, uncached=True),
    "256 wide, 1 text": Plan(SMALL, prompt=64, new=256, texts=1, uncached=True),
    "256 wide, 16 texts": Plan(SMALL, prompt=64, new=256, texts=16, uncached=False),
    "163M, 1 text": Plan(GPT2, prompt=64, new=32, texts=1, uncached=False),
    "163M, 16 texts": Plan(GPT2, prompt=64, new=32, texts=16, uncached=False),
}


@dataclass(frozen=True)
class Generation(Work):
    """Greedy generation; a step is a whole batch of texts."""

    prompt: int = 1
    new: int = 1
    texts: int = 1

    def __call__(self, pace: Pace) -> None:
        go_on, prompts = self.prepare()
        pace.begin()
        while True:
            pace.step(fingerprint(go_on(prompts)))

    def prepare(self) -> tuple[Callable[[Tensor], list[list[int]]], Tensor]:
        """The function that generates new tokens, and the prompts, (texts, prompt)."""
        params, tokens, weights, device = self.read()
        prompts = torch.from_numpy(tokens[: self.texts * self.prompt].astype("int64"))
        return self.load(params, weights, device), prompts.view(self.texts, -1).to(device)

    def load(
        self, params: TrainParams, weights: dict[str, Tensor], device: torch.device
    ) -> Callable[[Tensor], list[list[int]]]:
        raise NotImplementedError


@dataclass(frozen=True)
class Noiseband(Generation):
    """Generation as `respond` does it."""

    def load(
        self, params: TrainParams, weights: dict[str, Tensor], device: torch.device
    ) -> Callable[[Tensor], list[list[int]]]:
        make_deterministic(params.recipe.threads, params.recipe.precision)
        model = for_few_rows(loaded(params, weights, device))
        return lambda prompts: generate(model, prompts.tolist(), self.new, rows=self.texts)


@dataclass(frozen=True)
class Uncached(Generation):
    """The same model, with all tokens read in every pass."""

    def load(
        self, params: TrainParams, weights: dict[str, Tensor], device: torch.device
    ) -> Callable[[Tensor], list[list[int]]]:
        model = loaded(params, weights, device)

        @torch.inference_mode()
        def go_on(tokens: Tensor) -> list[list[int]]:
            for _ in range(self.new):
                likeliest = model(tokens[:, -model.config.context :])[:, -1].argmax(-1)
                tokens = torch.cat([tokens, likeliest[:, None]], dim=1)
            return tokens[:, self.prompt :].tolist()

        return go_on


@dataclass(frozen=True)
class Transformers(Generation):
    """GPT2LMHeadModel.generate with its cache."""

    attention: str = "sdpa"

    def load(
        self, params: TrainParams, weights: dict[str, Tensor], device: torch.device
    ) -> Callable[[Tensor], list[list[int]]]:
        model = hugging_face(params, weights, self.attention).to(device).eval()

        def go_on(tokens: Tensor) -> list[list[int]]:
            mask = torch.ones_like(tokens)
            options = {"max_new_tokens": self.new, "do_sample": False, "use_cache": True}
            grown = model.generate(tokens, attention_mask=mask, pad_token_id=0, **options)
            found: list[list[int]] = grown[:, self.prompt :].tolist()
            return found

        return go_on


def loaded(params: TrainParams, weights: dict[str, Tensor], device: torch.device) -> GPT:
    model = empty_model(params.recipe.model, params.recipe.attention)
    values = {name: value.to(device) for name, value in weights.items()}
    model.load_state_dict(values, assign=True)
    return model.eval()


def fingerprint(texts: list[list[int]]) -> float:
    """48 bits of the texts' SHA-256, which a contender reports instead of a loss."""
    return float(int.from_bytes(hashlib.sha256(json.dumps(texts).encode()).digest()[:6]))


def contenders(params: TrainParams, plan: Plan) -> dict[str, Contender]:
    """The contenders by name, noiseband first."""
    text = params.text
    kinds: dict[str, Generation] = {
        "noiseband": Noiseband(text),
        "transformers, sdpa": Transformers(text, attention="sdpa"),
        "transformers, eager": Transformers(text, attention="eager"),
    }
    if plan.uncached:
        kinds["without a cache"] = Uncached(text)
    return {
        name: replace(kind, prompt=plan.prompt, new=plan.new, texts=plan.texts)
        for name, kind in kinds.items()
    }


def params_for(plan: Plan) -> TrainParams:
    """The pocket baseline with the plan's model, initialised like the reference, because the texts
    of such an untrained model vary."""
    study = load_study(Path("config/config.yaml"))
    baseline = study.runs[study.config.baseline]
    changes = {f"model.{key}": value for key, value in plan.model.items()}
    recipe = apply(study.config.built_in, changes | {"model.dropout": 0.0, "init": "reference"})
    whole = Recipe.of(recipe, run_seeds(42))
    return TrainParams.of(study, replace(baseline, recipe=whole))


def check_agreement(found: dict[str, Measured]) -> None:
    """End the program if a contender generates other tokens than noiseband."""
    own = found["noiseband"].first_losses[0]
    for contender, measured in found.items():
        if set(measured.first_losses) != {own}:
            sys.exit(f"{contender} generates other tokens than noiseband")


def report(name: str, plan: Plan, found: dict[str, Measured]) -> dict[str, Any]:
    """Print a table of the comparison, and return the same as data."""
    rows = [("contender", "tokens/s", "noiseband is", "quartiles")]
    data: dict[str, Any] = {}
    for contender, measured in found.items():
        rate = statistics.median(plan.texts * plan.new / s for s in measured.seconds)
        middle, low, high = ratios(found["noiseband"], measured)
        data[contender] = {
            "tokens_per_second": round(rate, 1),
            "noiseband_is_times_as_fast": round(middle, 3),
            "quartiles": [round(low, 3), round(high, 3)],
            "seconds_per_round": [round(s, 4) for s in measured.seconds],
        }
        rows.append((contender, f"{rate:,.1f}", f"{middle:.2f}x", f"{low:.2f} to {high:.2f}"))
    print(f"\n{name}\n{table(rows)}\n", flush=True)
    return data


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="batches of each contender (7)")
    parser.add_argument(
        "--only", default="", help="run only comparisons with this text in their name"
    )
    parser.add_argument("--out", type=Path, help="result file (benchmarks/results/...)")
    options = parser.parse_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # in the contenders' processes too
    results: dict[str, Any] = {"machine": machine(), "comparisons": {}}
    device = re.sub(r"\W+", "-", results["machine"]["processor"]).strip("-").lower()
    out = options.out or Path("benchmarks/results", f"generation-cpu-{device}.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    for name, plan in PLANS.items():
        if options.only in name:
            params = params_for(plan)
            found = measure(contenders(params, plan), options.rounds, block=1, warm_up=1)
            check_agreement(found)
            results["comparisons"][name] = {
                "model": params.recipe.model.model_dump(),
                "prompt": plan.prompt,
                "new": plan.new,
                "texts": plan.texts,
                "contenders": report(name, plan, found),
            }
            out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
