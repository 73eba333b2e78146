"""The largest of several t statistics, compared with other methods."""

import numpy as np
import pytest
from scipy import special, stats

from noiseband.stats.maxt import critical_value, tail_probability


def by_quadrature(t: float, loadings: np.ndarray, df: int) -> float:
    """P(max |T_i| > t) where corr(i, j) = loadings_i loadings_j, as in Dunnett 1955.

    Then Z_i = b_i z + sqrt(1 - b_i^2) e_i, independent given z, so that two integrals are left:
    over z and over s.
    """
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z, z_weights = 9 * nodes, 9 * weights * stats.norm.pdf(9 * nodes)
    s = np.sqrt(stats.chi2.ppf((nodes + 1) / 2, df) / df)
    root = np.sqrt(1 - loadings**2)
    upper = (t * s[:, None, None] + loadings * z[None, :, None]) / root
    lower = (-t * s[:, None, None] + loadings * z[None, :, None]) / root
    inside = np.prod(special.ndtr(upper) - special.ndtr(lower), axis=2)
    return float(1 - (weights / 2) @ inside @ z_weights)


def product_correlation(loadings: np.ndarray) -> np.ndarray:
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1)
    return correlation


@pytest.mark.parametrize(
    ("loadings", "df"),
    [
        (np.full(8, np.sqrt(1 / 8)), 6),  # the published series: one run each against seven
        (np.full(12, np.sqrt(1 / 2)), 24),  # balanced
        (np.sqrt(np.linspace(1 / 8, 2 / 9, 12)), 10),  # unequal groups
        (np.full(15, np.sqrt(1 / 4)), 2),
        (np.full(2, 0.999), 4),  # nearly one and the same contrast
    ],
)
def test_tail_probability_is_exact_to_a_ten_thousandth(loadings: np.ndarray, df: int) -> None:
    for t in (0.5, 1.0, 2.0, 3.0, 5.0):
        found = tail_probability(t, product_correlation(loadings), df)
        assert found == pytest.approx(by_quadrature(t, loadings, df), abs=1e-4)


@pytest.mark.parametrize(
    ("size", "df"),
    [
        (49, 950),  # one of its directions lies on the edge of the cube
        (70, 60),  # drawn in several blocks
    ],
)
def test_large_families(size: int, df: int) -> None:
    loadings = np.full(size, np.sqrt(1 / 2))
    for t, error in ((1.0, 1e-4), (2.0, 5e-4), (3.0, 1e-4), (3.5, 1e-4), (5.0, 1e-4)):
        found = tail_probability(t, product_correlation(loadings), df)
        assert found == pytest.approx(by_quadrature(t, loadings, df), abs=error)


def test_a_correlation_without_product_structure_agrees_with_scipy() -> None:
    correlation = np.array([[1, 0.8, -0.3], [0.8, 1, 0.1], [-0.3, 0.1, 1]])
    distribution = stats.multivariate_t(shape=correlation, df=5)
    inside = distribution.cdf(
        np.full(3, 2.2), lower_limit=np.full(3, -2.2), maxpts=200_000, random_state=1
    )
    assert tail_probability(2.2, correlation, 5) == pytest.approx(1 - inside, abs=2e-4)


def test_one_statistic_is_the_t_test() -> None:
    one = np.ones((1, 1))
    assert tail_probability(2.5, one, 3) == pytest.approx(2 * stats.t.sf(2.5, 3), abs=1e-6)
    assert critical_value(0.05, one, 3) == pytest.approx(stats.t.isf(0.025, 3), abs=1e-4)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
@pytest.mark.parametrize("df", [1, 6, 200])
def test_the_critical_value_has_tail_probability_alpha(alpha: float, df: int) -> None:
    correlation = product_correlation(np.full(5, 0.5))
    critical = critical_value(alpha, correlation, df)
    assert tail_probability(critical, correlation, df) == pytest.approx(alpha, abs=1e-9)


def test_probabilities_stay_between_zero_and_one() -> None:
    correlation = product_correlation(np.full(4, 0.5))
    assert tail_probability(0.0, correlation, 6) == 1.0
    assert 0 <= tail_probability(1e9, correlation, 6) < 1e-30
