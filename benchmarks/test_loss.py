"""Measure the speed of the test loss compared with transformers and PyTorch's cross-entropy.

python -m benchmarks.test_loss            # one CPU thread, float32, three sizes
python -m benchmarks.test_loss --gpu      # the 163M model on one GPU, as the series measured

All contenders have the same weights, tokens and batches; a step is a batch. Both kinds of attention
in a recipe are measured: explicit, as published, and PyTorch's fused kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from benchmarks.contenders import Work, hugging_face, set_tf32
from benchmarks.machine import machine
from benchmarks.side_by_side import Contender, Measured, Pace, measure, ratios, table
from benchmarks.sizes import GPT2_SMALL
from noiseband.determinism import autocast, make_deterministic
from noiseband.evaluate.forward import target_losses
from noiseband.evaluate.window import Window
from noiseband.model.load import load_model
from noiseband.study import Study, load_study
from noiseband.study.params import TrainParams
from noiseband.study.recipe import Recipe
from noiseband.study.runs import apply
from noiseband.study.seeds import run_seeds


@dataclass(frozen=True)
class Plan:
    """The settings of one comparison."""

    changes: dict[str, Any]
    """Changes to the pocket study's recipe; the microbatch is the batch of the evaluation."""
    rounds: int
    block: int
    """The number of batches in a round."""


MIDDLE = {
    "model.vocabulary": 50257, "model.context": 256, "model.width": 256, "model.heads": 4,
    "model.layers": 4, "batch.sequences": 4, "batch.microbatch": 4,
}  # fmt: skip
CPU = {
    "pocket": Plan({"batch.sequences": 16, "batch.microbatch": 16}, rounds=20, block=25),
    "middle": Plan(MIDDLE, rounds=10, block=2),
    "163M": Plan({**GPT2_SMALL, "batch.sequences": 1, "batch.microbatch": 1}, rounds=3, block=1),
}
BATCH_OF_SERIES = {"batch.sequences": 6, "batch.microbatch": 6}
GPU = {
    precision: Plan({**GPT2_SMALL, **BATCH_OF_SERIES, "precision": precision}, rounds=20, block=20)
    for precision in ("float32", "float16-amp")
}
TOLERANCE = {"float32": 1e-5, "float16-amp": 1e-3}
"""The relative tolerance of the first losses, which must agree for all contenders."""


@dataclass(frozen=True)
class Own(Work):
    """The computation of the rule `evaluate`, one batch at a time."""

    def __call__(self, pace: Pace) -> None:
        params, tokens, weights, device = self.read()
        recipe = params.recipe
        make_deterministic(recipe.threads, recipe.precision)
        with tempfile.TemporaryDirectory() as folder:
            save_file(weights, file := Path(folder, "model.safetensors"))
            model = load_model(file, recipe.model, recipe.attention, device)
        size, batch = recipe.tokens_per_step, recipe.batch.sequences
        pace.begin()
        for begin in range(0, recipe.steps * size, size):
            window = Window(tokens[begin : begin + size + 1], batch, recipe.model.context)
            losses = target_losses(model, window, recipe.precision)
            pace.step(float(losses.double().mean()))


@dataclass(frozen=True)
class Transformers(Work):
    """GPT2LMHeadModel's logits, and PyTorch's cross-entropy over all of them."""

    attention: str = "sdpa"

    @torch.inference_mode()
    def __call__(self, pace: Pace) -> None:
        params, tokens, weights, device = self.read()
        recipe = params.recipe
        set_tf32(params)
        model = hugging_face(params, weights, self.attention).to(device).eval()
        data = torch.from_numpy(tokens.astype("int64"))
        size, shape = recipe.tokens_per_step, (recipe.batch.sequences, recipe.model.context)
        pace.begin()
        for begin in range(0, recipe.steps * size, size):
            block = data[begin : begin + size + 1].to(device)
            with autocast(recipe.precision, device)():
                logits = model(block[:-1].view(shape), use_cache=False).logits
            losses = F.cross_entropy(logits.flatten(0, 1).float(), block[1:], reduction="none")
            pace.step(float(losses.double().mean()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpu", action="store_true", help="the 163M model on one GPU")
    parser.add_argument(
        "--only", choices=[*CPU, *GPU], help="run only one comparison, and store nothing"
    )
    options = parser.parse_args()
    if options.gpu and not torch.cuda.is_available():
        parser.error("--gpu: PyTorch sees no GPU; leave it out")
    if not options.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # in the contenders' processes too
    study = load_study("config/config.yaml")
    plans = GPU if options.gpu else CPU
    results: dict[str, Any] = {"machine": machine(), "comparisons": {}}
    for name, plan in plans.items():
        if options.only in (None, name):
            results["comparisons"][name] = compare(name, plan, study)
    if options.only is None:
        device = re.sub(r"\W+", "-", results["machine"]["device"]).strip("-").lower()
        out = Path("benchmarks/results", f"test_loss-{device}.json")
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        print(out)


def compare(name: str, plan: Plan, study: Study) -> dict[str, Any]:
    """Compare both kinds of attention, ours and theirs, all in the same rounds."""
    explicit, fused = (params_of(study, plan, kind).text for kind in ("explicit", "sdpa"))
    contenders: dict[str, Contender] = {
        "noiseband, explicit": Own(explicit),
        "transformers, eager": Transformers(explicit, attention="eager"),
        "noiseband, sdpa": Own(fused),
        "transformers, sdpa": Transformers(fused, attention="sdpa"),
    }
    found = measure(contenders, plan.rounds, plan.block)
    check_agreement(found, TOLERANCE[plan.changes.get("precision", "float32")])
    return report(name, plan, params_of(study, plan, "explicit").recipe, found)


def params_of(study: Study, plan: Plan, attention: str) -> TrainParams:
    """The baseline's params with the plan's shape, and with one step of tokens for each batch."""
    run = study.runs[study.config.baseline]
    recipe = apply(study.config.built_in, {**plan.changes, "attention": attention})
    steps = (plan.block + 1) * (plan.rounds + 3)
    tokens = steps * recipe.batch.sequences * recipe.model.context
    recipe = apply(recipe, {"data.train_tokens": tokens})
    whole = Recipe.of(recipe, run_seeds(42))
    return TrainParams.of(study, replace(run, recipe=whole))


def check_agreement(found: dict[str, Measured], tolerance: float) -> None:
    """End the program if a contender measures another loss than the first one."""
    own = next(iter(found.values())).first_losses
    for contender, measured in found.items():
        for batch, (mine, theirs) in enumerate(zip(own, measured.first_losses, strict=True)):
            if not abs(theirs / mine - 1.0) <= tolerance:
                sys.exit(f"{contender}: the loss of batch {batch} is {theirs}, not {mine}")


def report(name: str, plan: Plan, recipe: Recipe, found: dict[str, Measured]) -> dict[str, Any]:
    """Print a table of the comparison, and return the same as data."""
    own = {"explicit": found["noiseband, explicit"], "sdpa": found["noiseband, sdpa"]}
    rows = [["contender", "tokens/s", "explicit is", "sdpa is", "page faults/batch"]]
    data: dict[str, Any] = {}
    for contender, measured in found.items():
        rates = [recipe.tokens_per_step * plan.block / s for s in measured.seconds]
        times = {kind: ratios(mine, measured) for kind, mine in own.items()}
        faults = statistics.median(measured.page_faults) / plan.block
        data[contender] = {
            "tokens_per_second": round(statistics.median(rates)),
            "noiseband_is_times_as_fast": {
                kind: {"median": round(middle, 3), "quartiles": [round(low, 3), round(high, 3)]}
                for kind, (middle, low, high) in times.items()
            },
            "page_faults_per_batch": round(faults, 1),
            "first_losses": [round(loss, 6) for loss in measured.first_losses],
            "seconds_per_round": [round(s, 4) for s in measured.seconds],
        }
        each = [f"{middle:.2f}x ({low:.2f} to {high:.2f})" for middle, low, high in times.values()]
        rows.append([contender, f"{statistics.median(rates):,.0f}", *each, f"{faults:,.0f}"])
    print(f"\n{name}\n{table(rows)}\n")
    shape = recipe.model_dump(include={"model", "batch", "precision", "threads"})
    return {"recipe": shape, "batches_per_round": plan.block, "contenders": data}


if __name__ == "__main__":
    main()
