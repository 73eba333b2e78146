"""The anytime-valid verdict: the formula by numerical integration, its error rate and its power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from noiseband.stats.anytime import TAU, anytime, limit, log_e_value


@pytest.mark.parametrize("pairs", [2, 3, 7, 20])
@pytest.mark.parametrize("t", [0.0, 0.7, -3.0, 12.0])
@pytest.mark.parametrize("tau", [0.5, TAU])
def test_it_is_the_likelihood_ratio_of_t(pairs: int, t: float, tau: float) -> None:
    """The noncentral t density, averaged over effects, divided by the central one."""
    freedom = pairs - 1

    def weighted(effect: float) -> float:
        density = stats.nct.pdf(t, freedom, effect * math.sqrt(pairs))
        return float(density * stats.norm.pdf(effect, scale=tau))

    whole, _ = integrate.quad(
        weighted, -8 * tau, 8 * tau, points=[0.0, t / math.sqrt(pairs)], limit=400
    )
    expected = whole / stats.t.pdf(t, freedom)
    assert math.exp(log_e_value(t, pairs, tau)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("pairs", [3, 5, 30])
@pytest.mark.parametrize("wanted", [1.0, 20.0, 160.0])
def test_the_limit_is_where_e_reaches_it(pairs: int, wanted: float) -> None:
    t = limit(pairs, wanted)
    if math.isfinite(t):
        assert log_e_value(t, pairs) == pytest.approx(math.log(wanted), abs=1e-9)
    else:
        assert log_e_value(1e9, pairs) < math.log(wanted)


def crossings(effect: float, pairs: int, family: int = 1) -> float:
    """The share of 40,000 simulated arms whose E reaches the family over alpha."""
    found = effect + np.random.default_rng(3).standard_normal((40_000, pairs))
    crossed = np.zeros(len(found), bool)
    for n in range(2, pairs + 1):
        t = stats.ttest_1samp(found[:, :n], 0, axis=1).statistic
        crossed |= np.abs(t) >= limit(n, family / 0.05)
    return float(crossed.mean())


def test_without_an_effect_it_rarely_crosses() -> None:
    assert 0.01 < crossings(0.0, 12) < 0.021
    assert crossings(0.0, 40) < 0.05
    assert crossings(0.0, 12, family=4) < 0.05 / 4


def test_power_for_an_effect_of_three_sds_of_a_run() -> None:
    assert crossings(3.0 / math.sqrt(2.0), 6) == pytest.approx(0.70, abs=0.02)


def test_what_the_pairs_of_an_arm_say() -> None:
    differences = [-0.03, -0.028, -0.035, -0.031, -0.027, -0.033]
    found = anytime(differences, family=2)
    assert found is not None
    assert found.effect == pytest.approx(np.mean(differences))
    assert found.low < found.effect < found.high < 0
    assert found.p_value == pytest.approx(2 / found.e_value)
    # The p-value is below alpha exactly where the interval excludes zero.
    shifted = [value - found.high for value in differences]
    edge = anytime(shifted, family=2)
    assert edge is not None
    assert edge.p_value == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, 0.1], [0.0, 0.0, 0.0]])
def test_pairs_that_say_nothing(differences: list[float]) -> None:
    assert anytime(differences) is None


def test_two_pairs_can_rule_nothing_out() -> None:
    found = anytime([0.1, 0.10001])
    assert found is not None
    assert found.low == -math.inf
    assert found.p_value > 0.05
