"""Measure training in 16 bits on a CPU: rounded operands compared with PyTorch's own products.

python -m benchmarks.sixteen_bits            # one CPU thread, the pocket recipe
python -m benchmarks.sixteen_bits --rounds 5 --steps 4

On a processor with instructions for 16-bit products, the rounded operands are measured as well,
although a study does not use them there.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.contenders import Noiseband
from benchmarks.machine import machine
from benchmarks.side_by_side import Measured, Pace, measure, ratios, table
from noiseband import products
from noiseband.products import INSTRUCTIONS, has_products
from noiseband.study import Study, load_study
from noiseband.study.params import TrainParams
from noiseband.study.recipe import Recipe
from noiseband.study.runs import apply

OTHER_ROUNDS = 3
"""Rounds without a result: two to warm up, and a spare one."""


@dataclass(frozen=True)
class Multiplied(Noiseband):
    """The trainer with 16-bit products computed in a given way, whatever the processor has."""

    rounded: bool = False

    def __call__(self, pace: Pace) -> None:
        setattr(products, "has_products", lambda _: not self.rounded)  # noqa: B010 (mypy)
        super().__call__(pace)


def main() -> None:
    options = arguments()
    study = load_study(options.config)
    found = measure(contenders(study, options), options.rounds, options.steps)
    results: dict[str, Any] = {"machine": machine(), "steps_per_round": options.steps}
    results["instructions"] = {str(dtype)[6:]: has_products(dtype) for dtype in INSTRUCTIONS}
    results["contenders"] = figures(found, options.steps)
    rows = [("contender", "ms/step", "times float32's", "quartiles")]
    for name, one in results["contenders"].items():
        low, high = one["quartiles"]
        times = f"{one['times_as_long_as_float32']:.2f}"
        rows.append((name, f"{one['ms_per_step']:.1f}", times, f"{low:.2f} to {high:.2f}"))
    print(f"\n{table(rows)}\n")
    device = re.sub(r"\W+", "-", results["machine"]["processor"]).strip("-").lower()
    out = options.out or Path("benchmarks/results", f"sixteen_bits-{device}.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    parser.add_argument("--rounds", type=int, default=10, help="blocks of each contender (10)")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of a block (10)")
    parser.add_argument("--out", type=Path, help="result file (benchmarks/results/...)")
    return parser.parse_args()


def contenders(study: Study, options: argparse.Namespace) -> dict[str, Multiplied]:
    """The baseline in float32, then each 16-bit type with both kinds of products."""
    steps = (options.steps + 1) * (options.rounds + OTHER_ROUNDS)
    found = {"float32": Multiplied(params(study, "float32", steps).text)}
    for kind in ("bfloat16", "float16"):
        text = params(study, f"{kind}-amp", steps).text
        found[f"{kind}, rounded operands"] = Multiplied(text, rounded=True)
        found[f"{kind}, PyTorch's products"] = Multiplied(text)
    return found


def params(study: Study, precision: str, steps: int) -> TrainParams:
    """The baseline's params with a precision, and with tokens for so many steps."""
    baseline = study.runs[study.config.baseline]
    recipe = apply(study.config.built_in, {"precision": precision})
    tokens = steps * recipe.batch.sequences * recipe.model.context
    recipe = apply(recipe, {"data.train_tokens": tokens})
    whole = Recipe.of(recipe, baseline.seeds)
    return TrainParams.of(study, replace(baseline, recipe=whole))


def figures(found: dict[str, Measured], steps: int) -> dict[str, Any]:
    """The results of each contender, as data."""
    baseline = found["float32"]
    data: dict[str, Any] = {}
    for name, one in found.items():
        middle, low, high = ratios(baseline, one)
        data[name] = {
            "ms_per_step": round(statistics.median(one.seconds) / steps * 1e3, 2),
            "times_as_long_as_float32": round(middle, 3),
            "quartiles": [round(low, 3), round(high, 3)],
            "page_faults_per_step": round(statistics.median(one.page_faults) / steps, 1),
            "first_losses": [round(loss, 6) for loss in one.first_losses[:5]],
            "seconds_per_round": [round(s, 4) for s in one.seconds],
        }
    return data


if __name__ == "__main__":
    main()
