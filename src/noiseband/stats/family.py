"""Simultaneous intervals and p-values for contrasts of a study's arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from noiseband.stats import student
from noiseband.stats.least_squares import BASELINE, Fit, Floats, fit_matrix
from noiseband.stats.mixed import Mixed
from noiseband.stats.simultaneous import Estimate, estimates

Contrast = Mapping[str, float]
"""Weights on interventions' effects, as {"qkv-bias": 1}."""


@dataclass(frozen=True)
class Family:
    """Estimates that belong together, and the noise that they were measured against."""

    estimates: tuple[Estimate, ...]
    """In the order of the contrasts."""
    sd: float | None
    """SD of the rest: how far runs of one arm on one set of seeds scatter. None if unknown."""
    degrees_of_freedom: int
    """Residual degrees of freedom of the model, seeds included unless they are blocks."""


def family(model: Mixed, contrasts: Sequence[Contrast], alpha: float = 0.05) -> Family:
    """Estimate each contrast; all intervals cover together with probability 1 - alpha.

    The contrasts must be linearly independent. Without residual degrees of freedom, or if the runs
    do not scatter at all, there are only values.

    Raises ValueError for an unknown intervention and for an alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}")
    vectors = weights(model, contrasts)
    freedom = model.degrees_of_freedom
    if not model.scatters:
        values = [Estimate(float(value)) for value in vectors @ model.means]
        return Family(tuple(values), None, freedom)
    if exact := blocks_that_cost_nothing(model, vectors):
        found = estimates(exact, contrasts, alpha)
        return Family(tuple(found), exact.residual_sd, exact.degrees_of_freedom)
    sd = model.rest_variance**0.5
    if not len(vectors):
        return Family((), sd, freedom)
    largest = model.largest(vectors, model.plausible())
    critical = critical_value(largest, alpha)
    rows = zip(model.value(vectors).tolist(), model.standard_errors(vectors).tolist(), strict=True)
    found = [_estimate(value, error, critical, largest) for value, error in rows]
    return Family(tuple(found), sd, freedom)


def _estimate(value: float, error: float, critical: float, largest: Floats) -> Estimate:
    half_width = critical * error
    return Estimate(
        value=value,
        se=error,
        low=value - half_width,
        high=value + half_width,
        half_width=half_width,
        p_value=tail_probability(largest, abs(value) / error),
    )


def weights(model: Mixed, contrasts: Sequence[Contrast]) -> Floats:
    """Weights on the arms' means, shape (m, p). The baseline's weight is minus the sum of others.

    Raises ValueError for a name that is not an intervention of the study.
    """
    rows = np.zeros((len(contrasts), len(model.arms)))
    for row, contrast in zip(rows, contrasts, strict=True):
        for name, weight in contrast.items():
            if name == BASELINE or name not in model.arms:
                raise ValueError(f"no intervention named {name!r} in the table of runs")
            row[model.arms.index(name)] += weight
            row[0] -= weight
    return rows


def blocks_that_cost_nothing(model: Mixed, vectors: Floats) -> Fit | None:
    """The study as a least-squares fit with a block for each shared seed, if the blocks do not make
    any contrast less precise, and degrees of freedom are left; otherwise None.

    Then the seeds' scatter cancels in each contrast, as in complete blocks, and no ratio is needed.
    Without shared seeds this is the one-way analysis.
    """
    fit = fit_matrix(model.table, model.arms, [one.levels for one in model.sources])
    padded = np.zeros((len(vectors), len(fit.columns)))
    padded[:, : vectors.shape[1]] = vectors
    if fit.degrees_of_freedom == 0 or not fit.estimable(padded).all() or not fit.residual_sd:
        return None
    blocked = np.einsum("mp,pr,mr->m", padded, fit.unscaled_covariance, padded)
    alone = (vectors**2) @ (1.0 / model.counts)
    return fit if np.allclose(blocked, alone, rtol=1e-9) else None


def new_run(model: Mixed, alpha: float = 0.05) -> float | None:
    """Half the width of the band in which a new run of the baseline falls, on new seeds, with
    probability 1 - alpha: the prediction interval around the baseline's estimated mean.

    None if the study cannot say how far runs scatter.
    """
    if not model.scatters:
        return None
    baseline = weights_of_baseline(model)
    new = 1.0 + (model.grid**2).sum(axis=1)
    if not model.sources:
        critical = student.limit(alpha / 2, model.degrees_of_freedom)
    else:
        critical = critical_value(model.largest(baseline, model.plausible(), new), alpha)
    return float(critical * model.standard_errors(baseline, new)[0])


def weights_of_baseline(model: Mixed) -> Floats:
    """The contrast (1, p) that is the baseline's mean itself."""
    return np.eye(1, len(model.arms))


def critical_value(largest: Floats, alpha: float) -> float:
    """The |t| above which p-values are below `alpha`, from the sorted draws of `Mixed.largest`."""
    allowed = int(np.floor(alpha * (largest.shape[1] + 1) - 1e-9))
    return float(largest[:, largest.shape[1] - max(1, allowed)].max())


def tail_probability(largest: Floats, t: float) -> float:
    """The p-value of |t|: the largest share over all plausible ratios, itself counted as a draw."""
    beyond = [studies.size - np.searchsorted(studies, t) for studies in largest]
    return float((1 + max(beyond)) / (largest.shape[1] + 1))
