"""Each number is that of scipy.stats, to the bit."""

from __future__ import annotations

import numpy as np
from scipy import stats

from noiseband.stats import student
from noiseband.stats.power import POWER, power, seeds_per_arm


def test_student_is_that_of_scipy() -> None:
    rng = np.random.default_rng(1)
    for freedom in [1.0, 2.0, 3.7, 10.0, 99.0, 9999.0, *(10 ** rng.uniform(0, 4, 200))]:
        for share in [1e-12, 1e-4, 0.025, 0.3, 0.7, *rng.uniform(0, 1, 5)]:
            t = stats.t.isf(share, freedom)
            assert student.limit(share, freedom) == t
            assert student.above(t, freedom) == stats.t.sf(t, freedom)


def test_power_is_that_of_scipy() -> None:
    """A tail that rounds to 1 is NaN for one of SciPy's functions and 1 for the other."""
    rng = np.random.default_rng(1)
    for _ in range(500):
        effect, alpha = 10 ** rng.uniform(-2, 1.5), 10 ** rng.uniform(-4, -0.7)
        seeds = int(rng.integers(2, 400))
        critical = stats.t.isf(alpha / 2, seeds - 1)
        expected = stats.nct.sf(critical, seeds - 1, effect * (seeds / 2) ** 0.5)
        assert abs(power(effect, 1.0, seeds, alpha) - expected) < 1e-12
        needed = seeds_per_arm(effect, 1.0, alpha)
        if needed is not None and 2 < needed < 300:
            limits = (stats.t.isf(alpha / 2, n - 1) for n in (needed - 1, needed))
            below, enough = (
                stats.nct.sf(limit, n - 1, effect * (n / 2) ** 0.5)
                for n, limit in zip((needed - 1, needed), limits, strict=True)
            )
            assert enough >= POWER and (below < POWER or needed == _normal(effect, alpha))


def _normal(effect: float, alpha: float) -> int:
    """Where the search for the number of seeds begins."""
    quantiles = stats.norm.isf(alpha / 2) + stats.norm.ppf(POWER)
    return int(np.ceil(2 * (quantiles / effect) ** 2))
