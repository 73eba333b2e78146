"""Unpooled intervals are SciPy's paired and Welch's tests, with Sidak's correction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from noiseband.stats.own import own_intervals

BASELINE = [3.601, 3.617, 3.594, 3.609, 3.611]
CHANGED = [3.588, 3.596, 3.571, 3.601]


def rows(name: str, losses: list[float], first: int) -> list[tuple[str, int, int, float]]:
    return [(name, first + k, first + k, loss) for k, loss in enumerate(losses)]


@pytest.mark.parametrize("family", [1, 8])
def test_on_the_baselines_seeds_it_is_the_paired_t_test(table, family: int) -> None:
    found = own_intervals(table(rows("baseline", BASELINE, 1) + rows("a", CHANGED, 1)), family)["a"]
    expected = stats.ttest_rel(CHANGED, BASELINE[:4])
    interval = expected.confidence_interval(0.95 ** (1 / family))
    assert found.p_value == pytest.approx(1 - (1 - expected.pvalue) ** family)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.value == pytest.approx(np.mean(CHANGED) - np.mean(BASELINE[:4]))


@pytest.mark.parametrize("family", [1, 8])
@pytest.mark.parametrize("first", [3, 50])  # some of the seeds are the baseline's, or none
def test_otherwise_it_is_welchs(table, family: int, first: int) -> None:
    runs = table(rows("baseline", BASELINE, 1) + rows("a", CHANGED, first))
    found = own_intervals(runs, family)["a"]
    expected = stats.ttest_ind(CHANGED, BASELINE, equal_var=False)
    interval = expected.confidence_interval(0.95 ** (1 / family))
    assert found.p_value == pytest.approx(1 - (1 - expected.pvalue) ** family)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_other_arms_do_not_matter(table) -> None:
    runs = rows("baseline", BASELINE, 1) + rows("a", CHANGED, 9)
    wild = rows("wild", [1.0, 5.0, 9.0], 20)
    assert own_intervals(table(runs + wild), 3)["a"] == own_intervals(table(runs), 3)["a"]


def test_too_little_is_a_value_without_an_interval(table) -> None:
    two = rows("baseline", BASELINE, 1) + rows("a", CHANGED[:2], 1)
    of_two = sum(CHANGED[:2]) / 2 - sum(BASELINE[:2]) / 2  # on the seeds that both have
    lonely = rows("baseline", BASELINE[:1], 1) + rows("a", CHANGED, 9)
    of_lonely = sum(CHANGED) / len(CHANGED) - BASELINE[0]
    still = rows("baseline", [3.6] * 3, 1) + rows("a", [3.5] * 3, 1)
    for runs, value in ((two, of_two), (lonely, of_lonely), (still, -0.1)):
        found = own_intervals(table(runs), 1)["a"]
        assert found.value == pytest.approx(value)
        assert (found.low, found.high, found.p_value) == (None, None, None)
