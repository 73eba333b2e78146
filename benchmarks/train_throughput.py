"""Measure training speed: noiseband compared with plain transformers and transformers.Trainer.

python -m benchmarks.train_throughput                # one CPU thread, the pocket recipe
python -m benchmarks.train_throughput --keep-memory  # with an allocator that gives nothing back
python -m benchmarks.train_throughput --gpu          # one GPU, the 163M model, all stages
python -m benchmarks.train_throughput --gpu --minutes 8  # as many rounds as fit
python -m benchmarks.train_throughput --gpu --tiny   # the same programs, to try them anywhere
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import stages
from benchmarks.contenders import HuggingFaceTrainer, Loop, Noiseband
from benchmarks.machine import machine
from benchmarks.profile_step import STEPS as PROFILED
from benchmarks.profile_step import where_time_goes
from benchmarks.side_by_side import Contender, Measured, measure, ratios, table
from benchmarks.sizes import GPT2_SMALL, TINY
from noiseband.errors import UserError
from noiseband.model.flops import flops_per_token
from noiseband.study import Study, load_study
from noiseband.study.params import TrainParams
from noiseband.study.recipe import Recipe
from noiseband.study.runs import apply
from noiseband.train.peak import peak_flops

FAST = {"precision": "bfloat16-amp", "attention": "sdpa", "compile": True, "model.dropout": 0.0}
PUBLISHED = {"precision": "float16-amp", "attention": "explicit", "model.dropout": 0.1}
KEEP_MEMORY = {f"MALLOC_{limit}_": "1000000000" for limit in ("TRIM_THRESHOLD", "MMAP_THRESHOLD")}
"""With these variables glibc's allocator keeps freed memory; by default each step requests it again
page by page."""
OTHER_STAGES = 3
"""Number of comparisons in `benchmarks.stages`."""
AGREE_STEPS = 5
"""The number of first steps for which the losses are compared and stored."""


def main() -> None:
    options = arguments()
    try:
        measure_all(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def measure_all(options: argparse.Namespace) -> None:
    """Run every comparison of the plan, one after the other, and write one file of results.

    Raises:
        UserError: the config cannot be read.
    """
    if not options.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # in the contenders' processes too
    if options.keep_memory:
        os.environ |= KEEP_MEMORY
    study = load_study(options.config)
    results: dict[str, Any] = {"machine": machine(), "keep_memory": options.keep_memory}
    results["comparisons"] = {}
    out = options.out or result_file(options, results["machine"]["device"])
    out.parent.mkdir(parents=True, exist_ok=True)

    def keep(name: str, found: dict[str, Any]) -> None:
        results["comparisons"].setdefault(name, {}).update(found)
        out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")

    training = plans(options)
    budget = Budget(options.minutes, len(training) + (OTHER_STAGES if options.gpu else 0))
    for name, changes in training.items():
        one = changed(study, changes, options)

        def so_far(found: dict[str, Measured], name: str = name, one: TrainParams = one) -> None:
            keep(name, figures(one, found, options.steps))

        found = measure(
            contenders(one, options.gpu), options.rounds, options.steps, 2, budget.next(), so_far
        )
        check_agreement(found, one)
        keep(name, report(name, one, found, options.steps))
        print("profiling", flush=True)
        keep(name, {"where_time_goes": where_time_goes(one)})
    if options.gpu:
        for name, stage in stages.stages(study, options.tiny).items():
            print(name, flush=True)
            now = partial(keep_contenders, keep, name)
            try:
                now(stages.compare(stage, options.rounds, budget.next(), now))
            except SystemExit as end:  # the other stages go on
                print(end, flush=True)
                keep(name, {"failed": str(end)})
    print(out)


def keep_contenders(
    keep: Callable[[str, dict[str, Any]], None], name: str, found: dict[str, Any]
) -> None:
    keep(name, {"contenders": found})


class Budget:
    """Divides the time among the comparisons; time that one leaves is for the later ones."""

    def __init__(self, minutes: float, comparisons: int) -> None:
        self.end = time.monotonic() + 60.0 * minutes
        self.left = comparisons

    def next(self) -> float:
        """The value of time.monotonic() by which the next comparison should end."""
        now = time.monotonic()
        share = max(0.0, self.end - now) / self.left
        self.left -= 1
        return now + share


def result_file(options: argparse.Namespace, device: str) -> Path:
    plan = ("gpu-tiny" if options.tiny else "gpu") if options.gpu else "cpu"
    plan += "-keep-memory" if options.keep_memory else ""
    name = re.sub(r"\W+", "-", device).strip("-").lower()
    return Path("benchmarks/results", f"train_throughput-{plan}-{name}.json")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    parser.add_argument("--rounds", type=int, default=20, help="blocks of each contender (20)")
    parser.add_argument("--steps", type=int, default=25, help="timed steps of a block (25)")
    parser.add_argument(
        "--dropout",
        type=float,
        nargs="+",
        default=[0.1, 0.0],
        help="dropout values without --gpu (0.1 0)",
    )
    parser.add_argument(
        "--keep-memory", action="store_true", help="all contenders keep the memory they free"
    )
    parser.add_argument("--gpu", action="store_true", help="the 163M model on one GPU")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="approximate total time (no limit)"
    )
    parser.add_argument("--microbatch", type=int, default=16, help="with --gpu (16)")
    parser.add_argument("--tiny", action="store_true", help="with --gpu: a tiny model, to try it")
    parser.add_argument("--out", type=Path, help="result file (benchmarks/results/...)")
    options = parser.parse_args()
    if options.gpu and not torch.cuda.is_available() and not options.tiny:
        parser.error("--gpu: PyTorch sees no GPU; leave it out, or add --tiny to try it on a CPU")
    return options


def plans(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The changes to the config's recipe for each comparison."""
    if not options.gpu:
        return {f"dropout {share}": {"model.dropout": share} for share in options.dropout}
    model = {**GPT2_SMALL, "batch.microbatch": options.microbatch}
    model["batch.sequences"] = 4 * options.microbatch
    if options.tiny:
        model |= TINY
    return {"fast": {**model, **FAST}, "published": {**model, **PUBLISHED}}


def changed(study: Study, changes: dict[str, Any], options: argparse.Namespace) -> TrainParams:
    """The baseline's params with a changed recipe, which has tokens for every step."""
    baseline = study.runs[study.config.baseline]
    recipe = apply(study.config.built_in, changes)
    steps = max((options.steps + 1) * (options.rounds + 3), 3 * PROFILED)
    tokens = steps * recipe.batch.sequences * recipe.model.context
    recipe = apply(recipe, {"data.train_tokens": tokens})
    whole = Recipe.of(recipe, baseline.seeds)
    return TrainParams.of(study, replace(baseline, recipe=whole))


def contenders(params: TrainParams, gpu: bool) -> dict[str, Contender]:
    """The contenders by name, noiseband first."""
    text = params.text
    found: dict[str, Contender] = {"noiseband": Noiseband(text)}
    if not gpu:
        return found | {
            "transformers, eager attention": Loop(text, attention="eager"),
            "transformers, sdpa": Loop(text, attention="sdpa"),
            "transformers.Trainer, sdpa": HuggingFaceTrainer(text, attention="sdpa"),
        }
    recipe = params.recipe.model_copy(update={"reduction": "allreduce"})
    plain = params.model_copy(update={"recipe": recipe})
    attention = "sdpa" if params.recipe.attention == "sdpa" else "eager"
    return found | {
        "noiseband, reduction: allreduce": Noiseband(plain.text),
        "noiseband, not deterministic": Noiseband(text, deterministic=False),
        f"transformers, {attention}": Loop(text, attention=attention),
        f"transformers.Trainer, {attention}": HuggingFaceTrainer(text, attention=attention),
    }


def check_agreement(found: dict[str, Measured], params: TrainParams) -> None:
    """End the program if a contender's losses differ from noiseband's.

    All contenders start from the same weights, so without dropout their losses must agree. With
    dropout the masks differ, and in 16 bits the rounding; then only the first step is compared.
    """
    recipe = params.recipe
    exact = recipe.model.dropout == 0.0 and recipe.precision == "float32"
    steps, tolerance = (AGREE_STEPS, 1e-5) if exact else (1, 1e-2)
    own = found["noiseband"].first_losses[:steps]
    for contender, measured in found.items():
        for step, (mine, theirs) in enumerate(zip(own, measured.first_losses, strict=False)):
            if not abs(theirs / mine - 1.0) <= tolerance:
                sys.exit(
                    f"{contender} trains something else: step {step} loses {theirs}, not {mine}"
                )


def figures(params: TrainParams, found: dict[str, Measured], steps: int) -> dict[str, Any]:
    """The results of a comparison so far, as data."""
    recipe = params.recipe
    peak = peak_flops(machine()["device"], recipe.precision)
    own = found["noiseband"]
    data: dict[str, Any] = {}
    for contender, measured in found.items():
        rate = statistics.median(recipe.tokens_per_step * steps / s for s in measured.seconds)
        middle, low, high = ratios(own, measured)
        data[contender] = {
            "tokens_per_second": round(rate),
            "share_of_peak": None if peak is None else rate * flops_per_token(recipe.model) / peak,
            "noiseband_is_times_as_fast": round(middle, 3),
            "quartiles": [round(low, 3), round(high, 3)],
            "page_faults_per_step": round(statistics.median(measured.page_faults) / steps, 1),
            "first_losses": [round(loss, 6) for loss in measured.first_losses[:AGREE_STEPS]],
            "seconds_per_round": [round(s, 4) for s in measured.seconds],
        }
    changes = recipe.model_dump(exclude={"data"})
    return {"recipe": changes, "steps_per_round": steps, "contenders": data}


def report(
    name: str, params: TrainParams, found: dict[str, Measured], steps: int
) -> dict[str, Any]:
    """Print a table of the comparison, and return the same as data."""
    data = figures(params, found, steps)
    rows = [("contender", "tokens/s", "of peak", "noiseband is", "quartiles", "page faults/step")]
    for contender, one in data["contenders"].items():
        share, (low, high) = one["share_of_peak"], one["quartiles"]
        rows.append(
            (
                contender,
                f"{one['tokens_per_second']:,}",
                "unknown" if share is None else f"{share:.1%}",
                f"{one['noiseband_is_times_as_fast']:.2f}x",
                f"{low:.2f} to {high:.2f}",
                f"{one['page_faults_per_step']:,.0f}",
            )
        )
    print(f"\n{name}\n{table(rows)}\n", flush=True)
    return data


if __name__ == "__main__":
    main()
