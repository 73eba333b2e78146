"""An interval for one intervention from its own scatter alone, without the other interventions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from noiseband.stats.least_squares import BASELINE, Floats, seed_columns
from noiseband.stats.simultaneous import Estimate

FEWEST = 3
"""Distinct runs of an intervention that such an interval needs."""


def own_interval(runs: pd.DataFrame, name: str, family: int, alpha: float = 0.05) -> Estimate:
    """The interval for the effect of one intervention that pools nothing with other interventions.

    If the baseline has a run on each set of seeds that the intervention has, it is that of a paired
    t-test; otherwise Welch's, with the degrees of freedom of Satterthwaite (1946) and Welch (1947).
    Sidak's correction makes all intervals of a family of `family` interventions hold together.

    `runs` is as for `mixed.fit`. There is a value but no interval if the intervention has fewer
    than three runs, if the baseline has a single run on other seeds, or if nothing scatters.
    """
    seeds = seed_columns(runs)
    arm = runs[runs["intervention"] == name].sort_values(seeds)
    baseline = runs[runs["intervention"] == BASELINE].sort_values(seeds)
    pairs = arm.merge(baseline.drop_duplicates(seeds), on=seeds, suffixes=("", "_baseline"))
    own, others = arm["test_loss"].to_numpy(), baseline["test_loss"].to_numpy()
    if len(pairs) == len(arm):
        differences = (pairs["test_loss"] - pairs["test_loss_baseline"]).to_numpy(np.float64)
        value, error, freedom = _paired(differences)
    else:
        value, error, freedom = _welch(own, others)
    still = not error > 1e-12 * float(runs["test_loss"].abs().max())
    if len(arm) < FEWEST or still:
        return Estimate(value)
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
