"""Test the guarantees of verdicts on simulated studies: false alarms, coverage and power.

python -m benchmarks.calibration                 # 10,000 studies of each shape
python -m benchmarks.calibration --studies 500   # faster

Each study is drawn from a fixed seed. All studies of a shape have the same design, so one matrix
product gives their estimates. For the first studies the verdicts are also computed in the ordinary
way, and must agree.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.side_by_side import table
from noiseband.stats.least_squares import BASELINE, Floats, fit
from noiseband.stats.power import POWER, power, seeds_per_arm
from noiseband.stats.simultaneous import estimates
from noiseband.stats.verdicts import Call, verdicts

ALPHA = 0.05
SD = 0.01
"""The standard deviation of runs with the same seed pair, in nats."""
CHECKED = 20
"""The number of studies of each shape that are also computed in the ordinary way."""

Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]
NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed (exponential)": lambda rng, shape: rng.exponential(size=shape) - 1.0,
    "heavy tails (t, 3 df)": lambda rng, shape: rng.standard_t(3, size=shape) / math.sqrt(3),
    "outliers (5% of five times the SD)": lambda rng, shape: (
        rng.normal(size=shape) * np.where(rng.random(shape) < 0.05, 5.0, 1.0) / math.sqrt(2.2)
    ),
}
"""Noise distributions, all with mean 0 and standard deviation 1."""


@dataclass(frozen=True)
class Shape:
    """A design, the scatter of its seed pairs, and the noise of its runs."""

    name: str
    rows: list[tuple[str, int]]
    """The (arm, seed) of each run."""
    seed_sd: float = 0.0
    """The standard deviation between seed pairs, in nats."""
    noise: str = "normal"


def singles(repeats: int, interventions: int, noise: str = "normal") -> Shape:
    """The baseline with several seeds, and each intervention once, with the first seed."""
    rows = [(BASELINE, seed) for seed in range(repeats)]
    rows += [(f"i{number}", 0) for number in range(interventions)]
    name = f"baseline x {repeats}, {interventions} interventions once"
    return Shape(name, rows, noise=noise)


def blocks(pairs: int, interventions: int, seed_sd: float, noise: str = "normal") -> Shape:
    """Every arm with each of several seed pairs."""
    arms = [BASELINE, *(f"i{number}" for number in range(interventions))]
    name = f"{pairs} seed pairs, {interventions} interventions at each"
    if seed_sd:
        name += f", pairs scatter {seed_sd / SD:.0f}x as much as runs"
    return Shape(name, [(arm, seed) for arm in arms for seed in range(pairs)], seed_sd, noise)


def shapes() -> list[Shape]:
    found = [singles(repeats, k) for repeats in (3, 5, 7) for k in (3, 8, 15)]
    found += [blocks(pairs, k, sd) for pairs in (2, 3, 5) for k in (3, 8, 15) for sd in (0, 3 * SD)]
    for noise in list(NOISES)[1:]:
        found += [singles(7, 8, noise), blocks(3, 8, 0.0, noise)]
    return found


def simulate(shape: Shape, studies: int) -> dict[str, Any]:
    """Simulate studies of one shape without effects, and count how often they raise an alarm.

    Without an effect, an alarm is an interval that misses the truth. The share of studies without
    an alarm is therefore the simultaneous coverage of the intervals; the coverage of single
    intervals is reported separately.
    """
    design = _table(shape)
    # The seed of a shape does not depend on the other shapes.
    seed = zlib.crc32(f"{shape.name} {shape.noise}".encode())
    losses = _losses(shape, studies, np.random.default_rng(seed))
    value, half_width = _family(design, losses)
    outside = np.abs(value) > half_width
    alarms = outside.any(axis=1)
    for number in range(min(CHECKED, studies)):
        said = verdicts(design.assign(test_loss=losses[number]), ALPHA)
        called = [verdict.verdict in (Call.HELPS, Call.HURTS) for verdict in said]
        assert called == outside[number].tolist(), f"{shape.name}: study {number}"
    rate = float(alarms.mean())
    return {
        "shape": shape.name,
        "noise": shape.noise,
        "false_alarms": rate,
        "error": 2 * math.sqrt(ALPHA * (1 - ALPHA) / studies),
        "simultaneous_coverage": 1 - rate,
        "coverage_of_one_interval": float(1 - outside.mean()),
    }


def _table(shape: Shape) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": [f"r{number}" for number in range(len(shape.rows))],
            "intervention": [arm for arm, _ in shape.rows],
            "init_seed": [seed for _, seed in shape.rows],
            "train_seed": [seed for _, seed in shape.rows],
            "test_loss": 0.0,
        }
    )


def _losses(shape: Shape, studies: int, rng: np.random.Generator) -> Floats:
    """The losses in nats, (studies, runs)."""
    runs = SD * NOISES[shape.noise](rng, (studies, len(shape.rows)))
    seeds = np.array([seed for _, seed in shape.rows])
    pairs = rng.normal(0.0, shape.seed_sd or 0.0, (studies, int(seeds.max()) + 1))
    found: Floats = 3.6 + runs + pairs[:, seeds]
    return found


def _family(design: pd.DataFrame, losses: Floats) -> tuple[Floats, Floats]:
    """The effects and the half-widths of their intervals, both (studies, interventions).

    The design is fixed, so an effect is a fixed linear combination of the losses, and a half-width
    is a fixed multiple of the residual SD. The coefficients come from fits to unit vectors.
    """
    names = list(dict.fromkeys(name for name in design["intervention"] if name != BASELINE))
    contrasts = [{name: 1.0} for name in names]
    units = [fit(design.assign(test_loss=unit)) for unit in np.eye(len(design))]
    weights = np.array([[unit.effect(c) or 0.0 for c in contrasts] for unit in units])
    residual = np.array([unit.residuals.to_numpy() for unit in units])
    degrees_of_freedom = units[0].degrees_of_freedom
    some = fit(design.assign(test_loss=losses[0]))
    widths = np.array([one.half_width for one in estimates(some, contrasts, ALPHA)], dtype=float)
    sd = np.sqrt(((losses @ residual) ** 2).sum(axis=1) / degrees_of_freedom)
    return losses @ weights, sd[:, None] * (widths / some.residual_sd)


def powers(studies: int) -> list[dict[str, Any]]:
    """The power of comparisons of two arms, with the number of seeds that `seeds_per_arm` gives."""
    found = []
    for effect in (0.01, 0.015, 0.02, 0.04):
        seeds = seeds_per_arm(effect, SD, ALPHA)
        assert seeds is not None
        shape = Shape("", [(arm, n) for n, arm in enumerate([BASELINE] * seeds + ["i"] * seeds)])
        losses = _losses(shape, studies, np.random.default_rng([seeds, 20]))
        losses[:, seeds:] -= effect
        value, half_width = _family(_table(shape), losses)
        found.append(
            {
                "effect_in_sds": effect / SD,
                "seeds_per_arm": seeds,
                "formula": power(effect, SD, seeds, ALPHA),
                "simulated": float((value < -half_width).mean()),
                "error": 2 * math.sqrt(POWER * (1 - POWER) / studies),
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--studies", type=int, default=10_000, help="studies of each shape (10,000)"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/calibration.json"))
    options = parser.parse_args()
    null = [simulate(shape, options.studies) for shape in shapes()]
    rows = [("null studies", "noise", "false alarms", "one interval covers")]
    for one in null:
        rows.append(
            (
                one["shape"],
                one["noise"],
                f"{one['false_alarms']:.4f}",
                f"{one['coverage_of_one_interval']:.4f}",
            )
        )
    print(table(rows))
    print(f"\n(two standard errors of a share of 5%: {null[0]['error']:.4f})\n")
    found = powers(options.studies)
    rows2 = [("effect / SD", "seeds for each arm", "power by the formula", "simulated")]
    for one in found:
        rows2.append(
            (
                f"{one['effect_in_sds']:g}",
                str(one["seeds_per_arm"]),
                f"{one['formula']:.4f}",
                f"{one['simulated']:.4f}",
            )
        )
    print(table(rows2))
    result = {"studies": options.studies, "alpha": ALPHA, "null": null, "power": found}
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
