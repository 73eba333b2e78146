"""An interval for one intervention from its own scatter alone, without the other interventions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from noiseband.stats.least_squares import BASELINE, Floats, seed_columns
from noiseband.stats.simultaneous import Estimate

FEWEST = 3
"""Runs of an intervention, on seeds of their own, that such an interval needs."""


def own_interval(runs: pd.DataFrame, name: str, family: int, alpha: float = 0.05) -> Estimate:
    """The interval for the effect of one intervention that pools nothing with other interventions.

    If the baseline has a run on each set of seeds that the intervention has, it is that of a paired
    t-test; otherwise Welch's, with the degrees of freedom of Satterthwaite (1946) and Welch (1947).
    Sidak's correction makes all intervals of a family of `family` interventions hold together.

    `runs` is as for `mixed.fit`. The estimate is empty if the intervention has fewer than three
    runs, if there are fewer than two runs of the baseline, or if the runs do not scatter at all.
    """
    seeds = seed_columns(runs)
    arm = runs[runs["intervention"] == name].sort_values(seeds)
    baseline = runs[runs["intervention"] == BASELINE].sort_values(seeds)
    if len(arm) < FEWEST:
        return Estimate()
    pairs = arm.merge(baseline.drop_duplicates(seeds), on=seeds, suffixes=("", "_baseline"))
    if len(pairs) == len(arm):
        differences = (pairs["test_loss"] - pairs["test_loss_baseline"]).to_numpy(np.float64)
        value, error, freedom = _paired(differences)
    elif len(baseline) > 1:
        value, error, freedom = _welch(*(part["test_loss"].to_numpy() for part in (arm, baseline)))
    else:
        return Estimate()
    if error <= 1e-12 * float(runs["test_loss"].abs().max()):
        return Estimate()
    adjusted = 1.0 - (1.0 - alpha) ** (1.0 / family)
    half_width = float(stats.t.isf(adjusted / 2, freedom)) * error
    p_value = 2.0 * float(stats.t.sf(abs(value) / error, freedom))
    return Estimate(
        value=value,
        se=error,
        low=value - half_width,
        high=value + half_width,
        half_width=half_width,
        p_value=1.0 - (1.0 - p_value) ** family,
    )


def _paired(differences: Floats) -> tuple[float, float, float]:
    """Value, standard error and degrees of freedom of a paired comparison."""
    n = len(differences)
    return float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(n)), n - 1.0


def _welch(one: Floats, other: Floats) -> tuple[float, float, float]:
    """Value, standard error and degrees of freedom of an unpaired comparison."""
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (one, other)]
    total = sum(parts)
    value = float(one.mean() - other.mean())
    squares = sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (one, other), strict=True)
    )
    return value, float(np.sqrt(total)), total**2 / squares if squares else 1.0
