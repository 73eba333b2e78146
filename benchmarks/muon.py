"""Measure a step of Muon on one matrix on a CPU: as a study takes it, and by `torch.optim.Muon`.

python -m benchmarks.muon
python -m benchmarks.muon --rounds 3 --shapes 48x192 128x512
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import machine
from benchmarks.side_by_side import Pace, measure, ratios, table
from noiseband.determinism import make_deterministic
from noiseband.products import has_products
from noiseband.study.optimizer import Muon as Options
from noiseband.train.optimizers.muon import Muon


@dataclass(frozen=True)
class Stepping:
    """Steps of one optimiser on a matrix with random numbers and a random gradient."""

    shape: tuple[int, int]
    ours: bool

    def __call__(self, pace: Pace) -> None:
        make_deterministic(1, "float32")
        generator = torch.Generator().manual_seed(1)
        weight = torch.randn(self.shape, generator=generator)
        weight.grad = torch.randn(self.shape, generator=generator)
        own = Muon([weight], Options(), weight_decay=0.1)
        theirs = torch.optim.Muon([weight], lr=0.01)
        pace.begin()
        while True:
            if self.ours:
                own.step(0.01)
            else:
                theirs.step()  # type: ignore[no-untyped-call]
            pace.step(0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="blocks of each optimiser (10)")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a block (3)")
    parser.add_argument("--shapes", nargs="+", default=["48x192", "128x512", "384x1536"])
    parser.add_argument("--out", type=Path, help="result file (benchmarks/results/...)")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "machine": machine(),
        "bfloat16_instructions": has_products(torch.bfloat16),
        "shapes": {shape: figures(shape, options) for shape in options.shapes},
    }
    rows = [("matrix", "noiseband, ms", "torch.optim.Muon, ms", "times as fast", "quartiles")]
    for shape, one in results["shapes"].items():
        low, high = one["quartiles"]
        ours, theirs = (f"{one[name]:.2f}" for name in ("noiseband_ms", "pytorch_ms"))
        rows.append(
            (shape, ours, theirs, f"{one['times_as_fast']:.1f}", f"{low:.1f} to {high:.1f}")
        )
    print(f"\n{table(rows)}\n")
    device = re.sub(r"\W+", "-", results["machine"]["processor"]).strip("-").lower()
    out = options.out or Path("benchmarks/results", f"muon-{device}.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(out)


def figures(shape: str, options: argparse.Namespace) -> dict[str, Any]:
    """The results for a matrix of `<rows>x<columns>`: milliseconds a step, and their ratio."""
    height, width = map(int, shape.split("x"))
    contenders = {name: Stepping((height, width), name == "ours") for name in ("ours", "theirs")}
    found = measure(contenders, options.rounds, options.steps)
    middle, low, high = ratios(found["ours"], found["theirs"])
    each = {
        name: statistics.median(one.seconds) / options.steps * 1e3 for name, one in found.items()
    }
    return {
        "noiseband_ms": round(each["ours"], 3),
        "pytorch_ms": round(each["theirs"], 3),
        "times_as_fast": round(middle, 2),
        "quartiles": [round(low, 2), round(high, 2)],
    }


if __name__ == "__main__":
    main()
