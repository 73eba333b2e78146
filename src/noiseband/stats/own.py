"""An interval for one intervention from its own scatter alone, without the other interventions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from noiseband.stats.least_squares import BASELINE, Floats, Seeds, seed_columns, seeds_of
from noiseband.stats.simultaneous import Estimate

FEWEST = 3
"""Distinct runs of an intervention that such an interval needs."""

Run = tuple[Seeds, float]
"""The seeds and the loss of a run."""


def own_intervals(runs: pd.DataFrame, family: int, alpha: float = 0.05) -> dict[str, Estimate]:
    """Return, for each intervention, the interval that pools nothing with other interventions.

    If the baseline has a run on each set of seeds that the intervention has, it is that of a paired
    t-test on the means of equal seeds; otherwise Welch's, with the degrees of freedom of
    Satterthwaite (1946) and Welch (1947). Sidak's correction makes all intervals of a family of
    `family` interventions hold together.

    `runs` is as for `mixed.fit`. There is a value but no interval if the intervention has fewer
    than three runs, if the baseline has a single run on other seeds, or if nothing scatters.
    """
    ordered = runs.sort_values([*seed_columns(runs), "value"])
    arms: dict[str, list[Run]] = {}
    for name, seeds, loss in zip(
        ordered["intervention"], seeds_of(ordered), ordered["value"], strict=True
    ):
        arms.setdefault(str(name), []).append((seeds, loss))
    rounding = 1e-12 * float(runs["value"].abs().max())
    baseline = arms.pop(BASELINE)
    return {
        name: _own_interval(arm, baseline, rounding, 1.0 - (1.0 - alpha) ** (1.0 / family), family)
        for name, arm in arms.items()
    }


def _own_interval(
    arm: list[Run], baseline: list[Run], rounding: float, level: float, family: int
) -> Estimate:
    """The interval of an arm at a level that is already adjusted for the family."""
    own, others = _means(arm), _means(baseline)
    if own.keys() <= others.keys():
        counted = len(own)
        value, error, freedom = _paired(np.array([own[seeds] - others[seeds] for seeds in own]))
    else:
        counted = len(arm)
        value, error, freedom = _welch(_losses(arm), _losses(baseline))
    if counted < FEWEST or not error > rounding:
        return Estimate(value)
    half_width = float(stats.t.isf(level / 2, freedom)) * error
    p_value = 2.0 * float(stats.t.sf(abs(value) / error, freedom))
    return Estimate(
        value=value,
        se=error,
        low=value - half_width,
        high=value + half_width,
        half_width=half_width,
        p_value=1.0 - (1.0 - p_value) ** family,
    )


def _losses(runs: list[Run]) -> Floats:
    return np.array([loss for _, loss in runs], np.float64)


def _means(runs: list[Run]) -> dict[Seeds, float]:
    """The mean loss on each set of seeds: a trainer that is not deterministic has several runs."""
    found: dict[Seeds, list[float]] = {}
    for seeds, loss in runs:
        found.setdefault(seeds, []).append(loss)
    return {seeds: float(np.mean(losses)) for seeds, losses in found.items()}


def _paired(differences: Floats) -> tuple[float, float, float]:
    """Value, standard error and degrees of freedom of a paired comparison; the error of a single
    pair is NaN."""
    n = len(differences)
    sd = float(differences.std(ddof=1)) if n > 1 else np.nan
    return float(differences.mean()), sd / n**0.5, n - 1.0


def _welch(one: Floats, other: Floats) -> tuple[float, float, float]:
    """Value, standard error and degrees of freedom of an unpaired comparison; the error is NaN if
    one of them is a single run."""
    value = float(one.mean() - other.mean())
    if min(len(one), len(other)) < 2:
        return value, np.nan, 1.0
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (one, other)]
    squares = sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (one, other), strict=True)
    )
    return value, sum(parts) ** 0.5, sum(parts) ** 2 / squares if squares else 1.0
