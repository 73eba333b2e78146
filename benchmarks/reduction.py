"""Measure the cost of `reduction: ordered` compared with `allreduce`, in several processes.

python -m benchmarks.reduction 2
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.contenders import Noiseband
from benchmarks.machine import machine
from noiseband.study import load_study
from noiseband.study.params import TrainParams
from noiseband.train.launch.processes import joined
from noiseband.train.launch.torchrun import launch, launched
from noiseband.train.loop import take_step

KINDS = ("ordered", "allreduce")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("processes", type=int)
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    parser.add_argument("--rounds", type=int, default=30, help="blocks of each kind (30)")
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps of a block (10)")
    options = parser.parse_args()
    if not launched():
        sys.exit(launch(options.processes, sys.argv[1:], module="benchmarks.reduction"))
    study = load_study(options.config)
    params = TrainParams.of(study, study.runs[study.config.baseline])
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with joined() as group:
        trainers = {}
        for kind in KINDS:
            recipe = params.recipe.model_copy(update={"reduction": kind})
            changed = params.model_copy(update={"recipe": recipe})
            trainers[kind] = Noiseband(changed.text).trainer(group)
        for number in range(-2, options.rounds):
            for kind in KINDS[:: 1 if number % 2 else -1]:
                group.wait()
                begin = time.perf_counter()
                for _ in range(options.steps):
                    take_step(trainers[kind])
                if number >= 0:
                    seconds[kind].append((time.perf_counter() - begin) / options.steps)
        if group.first:
            report(seconds, options.processes)


def report(seconds: dict[str, list[float]], processes: int) -> None:
    """Print the medians and their ratio, and store them with a description of the machine."""
    cost = [a / b - 1.0 for a, b in zip(*(seconds[kind] for kind in KINDS), strict=True)]
    low, middle, high = statistics.quantiles(cost, n=4, method="inclusive")
    results: dict[str, Any] = {
        "machine": machine(),
        "processes": processes,
        "milliseconds_per_step": {
            kind: round(statistics.median(seconds[kind]) * 1e3, 2) for kind in KINDS
        },
        "cost_of_ordered": round(middle, 4),
        "quartiles": [round(low, 4), round(high, 4)],
    }
    device = re.sub(r"\W+", "-", results["machine"]["device"]).strip("-").lower()
    out = Path("benchmarks/results", f"reduction-{processes}-{device}.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for kind, value in results["milliseconds_per_step"].items():
        print(f"{kind:<9}  {value:8.2f} ms a step")
    print(f"ordered costs {middle:+.1%} (quartiles {low:+.1%} to {high:+.1%})\n{out}")


if __name__ == "__main__":
    main()
