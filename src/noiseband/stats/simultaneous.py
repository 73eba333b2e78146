"""Simultaneous intervals and p-values for a family of contrasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from noiseband.stats.least_squares import Fit, Floats
from noiseband.stats.maxt import critical_value, tail_probability


@dataclass(frozen=True)
class Estimate:
    """One contrast of the family, in nats. What the runs cannot estimate is None."""

    value: float | None = None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    half_width: float | None = None
    p_value: float | None = None


def estimates(
    fit: Fit, contrasts: Sequence[Mapping[str, float]], alpha: float = 0.05
) -> list[Estimate]:
    """Estimate each contrast; all intervals cover together with probability 1 - alpha.

    A contrast maps interventions to weights on their effects, as {"qkv-bias": 1}; with one such
    contrast for each intervention this is Dunnett's test (Dunnett 1955; Hothorn, Bretz and Westfall
    2008 for unequal groups and blocks). The contrasts must be linearly independent. Those that are
    not estimable are left out of the family and have value None; without residual degrees of
    freedom there is only a value.

    Without any residual variance there are only values too: runs that do not differ at all say
    nothing about noise.

    Raises ValueError for an unknown intervention and for an alpha outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}")
    vectors = fit.vectors(contrasts)
    estimable = fit.estimable(vectors)
    values = [fit.effect(contrast) for contrast in contrasts]
    if not fit.residual_sd or not estimable.any():
        return [Estimate(value) for value in values]

    used = vectors[estimable]
    covariance = used @ fit.unscaled_covariance @ used.T
    scale = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(scale, scale)
    ses = iter(fit.residual_sd * scale)
    critical = critical_value(alpha, correlation, fit.degrees_of_freedom)
    return [
        Estimate()
        if value is None
        else _estimate(value, float(next(ses)), critical, correlation, fit.degrees_of_freedom)
        for value in values
    ]


def _estimate(
    value: float, se: float, critical: float, correlation: Floats, degrees_of_freedom: int
) -> Estimate:
    half_width = critical * se
    p_value = tail_probability(abs(value) / se, correlation, degrees_of_freedom)
    return Estimate(value, se, value - half_width, value + half_width, half_width, p_value)
