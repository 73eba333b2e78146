"""The noise of the arms' means themselves, rather than of their differences.

A difference of arms on the same seeds is free of the seeds' scatter; a mean is not. So combinations
of means whose weights do not add up to zero have variances of their own, from the same model:

- Without shared seeds, the variance of the one-way analysis, with its degrees of freedom.
- In complete blocks, the sum of two independent mean squares: of the residuals and of the blocks'
  means. The degrees of freedom of the sum are Satterthwaite's (1946).
- In all other designs, the variance of `mixed`, with a critical value that is simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from noiseband.stats.family import blocks_that_cost_nothing, critical_value
from noiseband.stats.least_squares import Floats
from noiseband.stats.maxt import tail_probability
from noiseband.stats.mixed import Mixed


@dataclass(frozen=True, eq=False)
class Levels:
    """What a test of combinations of the arms' means needs."""

    covariance: Floats
    """Shape (p, p): the covariance of the arms' estimated means."""
    beyond: Callable[[float, Floats], float]
    """Whether a combination with weights (p,) and this |t| differs from zero: positive if it does,
    negative if it does not."""

    def differs(self, value: float, weights: Floats) -> float:
        """The same for a combination with this estimate."""
        return self.beyond(abs(value) / float(weights @ self.covariance @ weights) ** 0.5, weights)


@dataclass(frozen=True, eq=False)
class MeanSquare:
    """A part of the covariance that is estimated independently of the others."""

    covariance: Floats
    """Shape (p, p)."""
    degrees_of_freedom: int


def levels(model: Mixed, effects: Floats, tested: Floats, alpha: float, critical: float) -> Levels:
    """The noise of a study that scatters.

    Args:
        model: the study, with p arms.
        effects: (m, p) the contrasts of the verdicts.
        tested: (m, p) the combinations that are tested. The error rate of all of them at once is
            `alpha`, and the tests are no less strict than those of the verdicts.
        critical: the critical value of the verdicts.
    """
    parts = mean_squares(model, effects)
    if parts is None:
        variances = model.weights * model.mean_squares()
        covariance = np.tensordot(variances, model.covariance, axes=1)
        simulated = critical_value(model.largest(tested, model.plausible()), alpha)
        return Levels(covariance, lambda t, _: t - max(simulated, critical))
    covariance = np.sum([part.covariance for part in parts], axis=0)
    correlations = [_correlation(one @ covariance @ one.T) for one in (effects, tested)]

    def beyond(t: float, weights: Floats) -> float:
        freedom = satterthwaite(parts, weights)
        return alpha - max(tail_probability(t, one, freedom) for one in correlations)

    return Levels(covariance, beyond)


def mean_squares(model: Mixed, contrasts: Floats) -> list[MeanSquare] | None:
    """The independent parts of the covariance of the arms' means; None if the design has none.

    The design has them if no two runs share a seed, or if each arm has one run in each block of
    seeds. `contrasts` (m, p) are combinations whose weights add up to zero.
    """
    exact = blocks_that_cost_nothing(model, contrasts)
    if exact is None or not exact.residual_sd:
        return None
    square, freedom = exact.residual_sd**2, exact.degrees_of_freedom
    if not model.sources:
        return [MeanSquare(np.diag(square / model.counts), freedom)]
    blocks = model.sources[0].levels
    arms, size = len(model.arms), blocks.shape[1]
    if len(model.sources) > 1 or len(blocks) != arms * size or np.ptp(model.averaged[0]):
        return None
    means = blocks.T @ model.table["value"].to_numpy(np.float64) / arms
    all_arms = np.full((arms, arms), 1.0 / arms)
    between = arms * float(means.var(ddof=1))
    return [
        MeanSquare(square / size * (np.eye(arms) - all_arms), freedom),
        MeanSquare(between / size * all_arms, size - 1),
    ]


def satterthwaite(parts: Sequence[MeanSquare], weights: Floats) -> float:
    """The degrees of freedom of the variance of a combination with these weights, (p,)."""
    variances = [float(weights @ part.covariance @ weights) for part in parts]
    squares = sum(
        variance**2 / part.degrees_of_freedom
        for variance, part in zip(variances, parts, strict=True)
    )
    return float(sum(variances) ** 2 / squares)


def _correlation(covariance: Floats) -> Floats:
    scale = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(scale, scale), np.float64)
