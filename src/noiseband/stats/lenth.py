"""Which effects of a saturated model stand out, when no runs are left to estimate the noise.

Lenth 1989, Quick and Easy Analysis of Unreplicated Factorials, Technometrics 31: assume that most
effects are only noise, and estimate the noise from their median size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from noiseband.stats.least_squares import Fit
from noiseband.stats.simultaneous import Estimate


def lenth(model: Fit, terms: Sequence[str], alpha: float) -> list[Estimate]:
    """Estimates of a saturated model's terms, with Lenth's pseudo standard error (PSE).

    For m effects, s0 is 1.5 times the median size, and the PSE is 1.5 times the median of the sizes
    below 2.5 s0, with m / 3 degrees of freedom. The interval is Lenth's simultaneous margin of
    error, and the p-value is Šidák's; both treat effects as independent. Sizes are in standard
    errors for runs of unit SD, which are equal in a complete design. The method is conservative:
    false alarms are rarer than alpha. With fewer than three effects, only the values are given.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1, not {alpha}")
    vectors = model.vectors([{name: 1.0} for name in terms])
    values = [model.effect({name: 1.0}) for name in terms]
    scales = np.sqrt(np.einsum("ij,jk,ik->i", vectors, model.unscaled_covariance, vectors))
    sizes = np.array([abs(v) / s for v, s in zip(values, scales, strict=True) if v is not None])
    m = len(sizes)
    if m < 3:
        return [Estimate(value) for value in values]
    small = sizes[sizes < 2.5 * 1.5 * np.median(sizes)]
    pse = 1.5 * float(np.median(small)) if len(small) else 0.0
    one = -np.expm1(np.log1p(-alpha) / m)
    critical = float(stats.t.isf(one / 2, m / 3))

    def estimate(value: float | None, se: float) -> Estimate:
        if value is None:
            return Estimate()
        single = 2 * stats.t.sf(abs(value) / se, m / 3) if se > 0 else float(value == 0)
        p_value = 1.0 if single == 1 else float(-np.expm1(m * np.log1p(-single)))
        half_width = critical * se
        return Estimate(value, se, value - half_width, value + half_width, half_width, p_value)

    return [estimate(v, float(s)) for v, s in zip(values, pse * scales, strict=True)]
