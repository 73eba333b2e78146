"""Test the guarantees of verdicts on simulated studies: false alarms, coverage, width and power.

python -m benchmarks.calibration                 # 4,000 studies of each design and scatter
python -m benchmarks.calibration --studies 500   # faster

Every study is drawn from fixed seeds. `many_studies` computes all studies of a design at once; the
first studies of each design are also judged in the ordinary way, and must agree.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.many_studies import (
    Draw,
    Studies,
    complete,
    crossed,
    nested,
    normal,
    own_seeds,
    pocket,
    published,
)
from benchmarks.side_by_side import table
from noiseband.stats.least_squares import BASELINE, Floats
from noiseband.stats.power import POWER, power, seeds_per_arm
from noiseband.stats.verdicts import Call, Verdict, verdicts

ALPHA = 0.05
SDS = (0.0, 0.3, 1.0, 3.0)
"""SDs of the effects of a source's seeds, over that of the rest."""
CHECKED = 20
"""Studies of each design that are also judged in the ordinary way."""
NOISY = (0.1, 0.3, 3.0, 10.0)
"""SDs of one arm over those of the others."""

NOISES: dict[str, Draw] = {
    "normal": normal,
    "skewed (exponential)": lambda rng, shape: rng.exponential(size=shape) - 1.0,
    "heavy tails (t, 3 df)": lambda rng, shape: rng.standard_t(3, size=shape) / math.sqrt(3),
    "outliers (5% of five times the SD)": lambda rng, shape: (
        rng.normal(size=shape) * np.where(rng.random(shape) < 0.05, 5.0, 1.0) / math.sqrt(2.2)
    ),
}
"""Noise distributions, all with mean 0 and SD 1."""


def designs() -> list[Studies]:
    found = [pocket(), published(), crossed(), own_seeds()]
    return found + [complete(n) for n in (2, 3, 4, 5)] + [nested(n) for n in (1, 2, 3, 4)]


def generator(*words: object) -> np.random.Generator:
    """Draws of one simulation, which do not depend on the others."""
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


def two_errors(share: float, studies: int) -> float:
    return 2 * math.sqrt(share * (1 - share) / studies)


def check(design: Studies) -> int:
    """Judge a few studies in the ordinary way; they must agree. Returns the number of those in
    which an arm was out of line, which is left out here."""
    losses = design.draw([1.0] * len(design.columns()), CHECKED, generator("check", design.name))
    value, half_width = design.intervals(losses)
    left = 0
    for number, loss in enumerate(losses):
        said = {one.intervention: one for one in ordinary(design, loss)}
        if any(one.scatter_ratio for one in said.values()):
            left += 1
            continue
        ours = np.array([(said[name].effect, said[name].high) for name in design.model.arms[1:]])
        expected = np.stack([value[number], value[number] + half_width[number]], axis=1)
        assert np.allclose(ours, expected, rtol=1e-7), f"{design.name}: study {number}"
    return left


def ordinary(design: Studies, loss: Floats) -> list[Verdict]:
    """The verdicts on one study, including the search for arms that are out of line."""
    return verdicts(design.table.assign(value=loss), ALPHA)


def simulate(design: Studies, sds: Sequence[float], studies: int, noise: str) -> dict[str, Any]:
    """Alarms, coverage and widths of studies without effects.

    Without an effect, an alarm is an interval that misses the truth.
    """
    losses = design.draw(sds, studies, generator(design.name, tuple(sds), noise), NOISES[noise])
    value, half_width = design.intervals(losses)
    outside = np.abs(value) > half_width
    best = design.known(sds)
    return {
        "design": design.name,
        "exact": design.exact,
        "sources": design.columns(),
        "sds": list(sds),
        "noise": noise,
        "false_alarms": float(outside.any(axis=1).mean()),
        "error": two_errors(ALPHA, studies),
        "coverage_of_one_interval": float(1 - outside.mean()),
        "half_width": float(half_width.mean()),
        "half_width_if_ratios_known": float(
            best.critical_t * best.error.mean() * best.sd(losses).mean()
        ),
    }


def nulls(design: Studies, studies: int) -> list[dict[str, Any]]:
    every = product(SDS, repeat=len(design.columns()))
    return [simulate(design, sds, studies, "normal") for sds in every]


def other_noise(studies: int) -> list[dict[str, Any]]:
    """Studies whose seeds do not matter and whose runs are not normal."""
    return [
        simulate(design, [0.0] * len(design.columns()), studies, noise)
        for design in (published(), complete(3), pocket())
        for noise in list(NOISES)[1:]
    ]


def uneven(studies: int) -> list[dict[str, Any]]:
    """Studies with one arm that is noisier or quieter: how often any arm is called, how often one
    of the others is, and how often the arm leaves the pool."""
    found = []
    for design, ratio in product((complete(3), own_seeds(), nested(1), published()), NOISY):
        odd = design.model.arms[1]
        once = bool((design.model.counts[1:] == 1).all())
        # No arm can leave if all have one run; otherwise the whole procedure is needed, one by one.
        number = studies if once else studies // 40
        rng = generator("uneven", design.name, ratio)
        losses = design.draw([0.0] * len(design.columns()), number, rng)
        losses[:, (design.table["intervention"] == odd).to_numpy()] *= ratio
        if once:
            value, half_width = design.intervals(losses)
            called, left = (np.abs(value) > half_width) * 1.0, 0.0
        else:
            called, left = _one_by_one(design, losses, odd)
        found.append(
            {
                "design": design.name,
                "sd_of_one_arm": ratio,
                "studies": number,
                "false_alarms": float(called.any(axis=1).mean()),
                "false_alarms_of_the_others": float(called[:, 1:].any(axis=1).mean()),
                "leaves_the_pool": left,
                "error": two_errors(ALPHA, number),
            }
        )
    return found


def _one_by_one(design: Studies, losses: Floats, odd: str) -> tuple[Floats, float]:
    """Which arms are called in each study, and how often an arm leaves the pool."""
    called, left = [], []
    for loss in losses:
        said = {one.intervention: one for one in ordinary(design, loss)}
        arms = [said[name].verdict for name in design.model.arms[1:]]
        called.append([verdict in (Call.HELPS, Call.HURTS) for verdict in arms])
        left.append(said[odd].scatter_ratio is not None)
    return np.array(called, np.float64), float(np.mean(left))


def identical_arms() -> int:
    """Copies of the baseline change no verdict on the other arms; returns the studies compared."""
    design = complete(3)
    losses = design.draw([1.0], CHECKED, generator("identical"))
    for loss in losses:
        runs = design.table.assign(value=loss)
        own = runs[runs["intervention"] == BASELINE]
        copies = [own.assign(intervention=name, run=own["run"] + name) for name in "abc"]
        joined = {one.intervention: one for one in verdicts(pd.concat([runs, *copies]), ALPHA)}
        for one in ordinary(design, loss):
            assert joined.pop(one.intervention) == one
        assert {one.verdict for one in joined.values()} == {Call.IDENTICAL}
    return len(losses)


def best_power(studies: int) -> list[dict[str, Any]]:
    """Power on complete blocks, compared with generalised least squares that knows how much seeds
    scatter over the rest, and with one that knows the SD of the rest as well.

    The effects are those that the latter calls with 80% and 95% power.
    """
    found = []
    for seeds, sd, target in product((2, 3, 4, 5), (0.0, 1.0, 3.0), (0.8, 0.95)):
        design = complete(seeds)
        best = design.known([sd])
        effect = float(best.error[0]) * (best.critical + float(stats.norm.ppf(target)))
        losses = design.draw([sd], studies, generator("power", seeds, sd, target))
        losses[:, (design.table["intervention"] == design.model.arms[1]).to_numpy()] += effect
        value, half_width = design.intervals(losses)
        theirs = losses @ best.weights[0] / best.error[0]
        found.append(
            {
                "seeds": seeds,
                "sd": sd,
                "effect_in_sds": effect,
                "power": float((value[:, 0] > half_width[:, 0]).mean()),
                "power_if_ratios_known": float((theirs > best.critical_t * best.sd(losses)).mean()),
                "power_if_all_known": float((theirs > best.critical).mean()),
            }
        )
    return found


def powers(studies: int) -> list[dict[str, Any]]:
    """The power of comparisons of two arms, with the number of seeds that `seeds_per_arm` gives."""
    found = []
    for effect in (1.0, 1.5, 2.0, 4.0, 6.0):
        seeds = seeds_per_arm(effect, 1.0, ALPHA)
        assert seeds is not None
        design = complete(seeds, interventions=1)
        losses = design.draw([1.0], studies, generator("seeds", effect))
        losses[:, (design.table["intervention"] != BASELINE).to_numpy()] -= effect
        value, half_width = design.intervals(losses)
        found.append(
            {
                "effect_in_sds": effect,
                "seeds_per_arm": seeds,
                "formula": power(effect, 1.0, seeds, ALPHA),
                "simulated": float((value < -half_width).mean()),
                "error": two_errors(POWER, studies),
            }
        )
    return found


def worst(null: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """A row for each design: ranges over the scatter of its seeds."""
    rows: list[tuple[str, ...]] = [
        ("design", "alarms", "one interval covers", "width if ratios were known")
    ]
    for name in dict.fromkeys(one["design"] for one in null):
        these = [one for one in null if one["design"] == name]
        alarms = [one["false_alarms"] for one in these]
        covers = [one["coverage_of_one_interval"] for one in these]
        widths = [one["half_width_if_ratios_known"] / one["half_width"] for one in these]
        ranges = [f"{min(each):.3f} to {max(each):.3f}" for each in (alarms, covers, widths)]
        rows.append((name, *ranges))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=4_000, help="of each kind (4,000)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/calibration.json"))
    options = parser.parse_args()
    studies = options.studies
    result: dict[str, Any] = {"studies": studies, "alpha": ALPHA, "null": [], "left_out": {}}
    for design in designs():
        result["left_out"][design.name] = check(design)
        result["null"] += nulls(design, studies)
        print(
            table(worst([one for one in result["null"] if one["design"] == design.name])),
            flush=True,
        )
    result["other_noise"] = other_noise(studies)
    result["best_power"] = best_power(studies)
    result["power"] = powers(studies)
    result["identical_arms"] = identical_arms()
    result["uneven"] = uneven(studies)
    for name in ("other_noise", "best_power", "power", "uneven"):
        print("\n".join(str(one) for one in result[name]))
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
