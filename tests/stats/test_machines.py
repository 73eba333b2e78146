"""The machine as noise: the series' twins, and the pooled SD by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from noiseband.published.losses import machine_noise
from noiseband.stats.machines import between_machines, machine_component
from noiseband.stats.noise import NoiseComponent, equal_variances


def normal(name: str, sizes: list[int], rng: np.random.Generator) -> NoiseComponent:
    groups = [
        {f"{name}-{g}-{i}": float(rng.normal()) for i in range(n)} for g, n in enumerate(sizes)
    ]
    found = machine_component(groups, 0.0)
    assert found is not None
    return found


def test_the_published_twins() -> None:
    """Baseline: 3.691526, 3.683835; stacked-1: 3.577761, 3.538161, 3.548880."""
    found = machine_noise()
    assert found is not None
    assert (found.n, found.degrees_of_freedom) == (5, 3)
    squares = 0.007691**2 / 2 + sum((x - 3.554934) ** 2 for x in (3.577761, 3.538161, 3.548880))
    assert found.sd == pytest.approx(np.sqrt(squares / 3), abs=1e-7)
    assert found.sd == pytest.approx(0.0170, abs=5e-5)


def test_distances_are_from_each_recipe_s_own_mean() -> None:
    found = machine_component([{"a": 1.0, "b": 3.0}, {"alone": 50.0}, {"c": 9.0, "d": 9.0}], 5.0)
    assert found is not None
    assert found.runs == ("a", "b", "c", "d")
    assert found.points == (4.0, 6.0, 5.0, 5.0)
    assert (found.mean, found.minimum, found.maximum) == (5.0, 4.0, 6.0)
    # Two degrees of freedom: the quantiles of chi-square are -2 log(1 - p).
    assert found.sd == 1.0
    assert found.sd_low == pytest.approx(np.sqrt(2 / (-2 * np.log(0.025))))
    assert found.sd_high == pytest.approx(np.sqrt(2 / (-2 * np.log(0.975))))


def test_one_machine_is_no_noise() -> None:
    assert machine_component([], 0.0) is None
    assert machine_component([{"a": 1.0}, {"b": 2.0}], 0.0) is None


def test_one_group_compares_as_scipy_does() -> None:
    rng = np.random.default_rng(3)
    one, other = normal("one", [6], rng), normal("other", [9], rng)
    expected = stats.bartlett(one.points, other.points)
    found = equal_variances([one, other])
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)


def test_pooled_degrees_of_freedom_keep_the_promise() -> None:
    """If machines and seeds have one variance, 5% of studies say that they differ."""
    rng = np.random.default_rng(5)
    said = [
        equal_variances([normal("machine", [2] * 8, rng), normal("seeds", [9], rng)]).p_value
        for _ in range(2000)
    ]
    share = np.mean([p is not None and p < 0.05 for p in said])
    assert share == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 2000))


def tail_by_quadrature(t: float, size: int, freedom: int) -> float:
    """P(max |T_i| > t) of independent normals over one chi, by integrating over the chi."""

    def inside(s: float) -> float:
        density = 2 * freedom * s * stats.chi2.pdf(freedom * s * s, freedom)
        return float((2 * stats.norm.cdf(t * s) - 1) ** size * density)

    return 1.0 - float(integrate.quad(inside, 0, 12, limit=200)[0])


@pytest.mark.parametrize(("size", "freedom"), [(1, 3), (3, 3), (22, 3), (22, 8)])
def test_differences_between_machines_against_quadrature(size: int, freedom: int) -> None:
    sd = 0.0170
    values = [0.0, *(0.02 * k for k in range(1, size))]
    found = between_machines(values, sd, freedom, 0.05)
    half_width = found[0].half_width
    assert half_width is not None
    t = half_width / (sd * np.sqrt(2))
    assert tail_by_quadrature(t, size, freedom) == pytest.approx(0.05, abs=5e-4)
    for value, one in zip(values, found, strict=True):
        expected = tail_by_quadrature(value / (sd * np.sqrt(2)), size, freedom)
        assert one.p_value == pytest.approx(expected, abs=1e-3)
        assert (one.low, one.high) == (value - half_width, value + half_width)
    if size == 1:
        assert t == pytest.approx(stats.t.isf(0.025, freedom), rel=1e-4)


def test_no_scatter_is_no_yardstick() -> None:
    assert between_machines([], 0.1, 3) == []
    for sd, freedom in ((0.0, 3), (0.1, 0)):
        with pytest.raises(ValueError, match="both must be positive"):
            between_machines([0.1], sd, freedom)
