"""Fine-tuning as a source of noise: scatter over its seeds, and whether runs differ by more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from noiseband.stats.least_squares import BASELINE, Floats, fit
from noiseband.stats.noise import sd_interval
from noiseband.stats.simultaneous import Estimate, estimates

Values = Mapping[str, Mapping[int, float]]
"""Measured values by run and fine-tuning seed."""


@dataclass(frozen=True)
class TuningNoise:
    """Scatter over fine-tuning seeds within runs, and scatter of the runs. What the models cannot
    show is None."""

    runs: int
    models: int
    degrees_of_freedom: int
    """Degrees of freedom of the SD within runs: models minus runs."""
    within: float | None
    """SD over fine-tuning seeds of one run, pooled over runs."""
    within_low: float | None
    """Lower end of its chi-square interval."""
    within_high: float | None
    between: float | None
    """SD of the runs' means over their seeds. Fine-tuning noise contributes to its square: the
    square of `within` over the number of seeds."""
    between_low: float | None
    between_high: float | None
    p_value: float | None
    """p-value of the F test of a one-way analysis of variance that runs do not differ."""


def tuning_noise(values: Values, alpha: float = 0.05) -> TuningNoise:
    """Describe the scatter of one measure; intervals at level 1 - alpha, under normal noise."""
    groups = [np.array(list(seeds.values())) for seeds in values.values() if seeds]
    sizes = np.array([len(group) for group in groups])
    means = np.array([group.mean() for group in groups])
    runs, models = len(groups), int(sizes.sum())
    freedom = models - runs
    within = between = p_value = None
    if freedom:
        within = float(np.sqrt(sum(map(_squares, groups)) / freedom))
    if runs > 1:
        between = float(np.sqrt(_squares(means) / (runs - 1)))
    if within is not None and between is not None:
        mean = (sizes * means).sum() / models
        explained = float((sizes * (means - mean) ** 2).sum()) / (runs - 1) if between else 0.0
        p_value = _f_test(explained, within**2, runs - 1, freedom)
    none = None, None
    within_low, within_high = none if within is None else sd_interval(within, freedom, alpha)
    between_low, between_high = none if between is None else sd_interval(between, runs - 1, alpha)
    return TuningNoise(
        runs=runs,
        models=models,
        degrees_of_freedom=freedom,
        within=within,
        within_low=within_low,
        within_high=within_high,
        between=between,
        between_low=between_low,
        between_high=between_high,
        p_value=p_value,
    )


def _squares(values: Floats) -> float:
    """Sum of squares around the mean."""
    # The mean of equal numbers may be a rounding error away from them.
    constant = values.min() == values.max()
    return 0.0 if constant else float(((values - values.mean()) ** 2).sum())


def _f_test(explained: float, error: float, runs: int, models: int) -> float:
    """Probability of a ratio of mean squares this large; without error, any effect is certain."""
    if error == 0:
        return 1.0 if explained == 0 else 0.0
    return float(stats.f.sf(explained / error, runs, models))


def differences(
    values: Values, pairs: Sequence[tuple[str, str]], alpha: float = 0.05
) -> list[Estimate]:
    """The second run of each pair minus the first, with intervals that hold for all pairs at once.

    The error is fine-tuning noise alone. The model is that of the verdicts (`least_squares`), here
    value ~ run + fine-tuning seed over all runs, so a difference is significant only if it is
    larger than the effect of another fine-tuning seed. Raises ValueError unless the pairs are
    linearly independent (no cycle) and their runs have values.
    """
    arms = {run: BASELINE if place == 0 else run for place, run in enumerate(values)}
    rows = [
        (f"{run}/{seed}", arms[run], seed, seed, value)
        for run, seeds in values.items()
        for seed, value in seeds.items()
    ]
    columns = ["run", "intervention", "init_seed", "train_seed", "value"]
    model = fit(pd.DataFrame(rows, columns=columns))
    contrasts = [
        {arms[run]: weight for run, weight in ((other, 1.0), (one, -1.0)) if arms[run] != BASELINE}
        for one, other in pairs
    ]
    return estimates(model, contrasts, alpha)
