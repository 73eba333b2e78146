"""Looks at a growing study: known answers, the error rate, and the p-values of the verdicts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noiseband.stats.looks import Looks, largest_t
from noiseband.stats.maxt import critical_value, tail_probability
from noiseband.stats.verdicts import verdicts


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(2, 6, 0.0141), (3, 6, 0.0188), (2, 10, 0.0098), (3, 10, 0.0120), (4, 4, 0.05)],
)
def test_levels_of_one_arm_on_pairs(first: int, last: int, expected: float) -> None:
    assert Looks(1, first, last).level() == pytest.approx(expected, abs=1.5e-4)


def test_the_error_rate_of_paired_t_tests_by_scipy() -> None:
    looks, rng = Looks(1, 2, 6), np.random.default_rng(7)
    pairs = rng.standard_normal((60_000, 6))
    each = [stats.ttest_1samp(pairs[:, :n], 0, axis=1).pvalue for n in range(2, 7)]
    smallest = np.asarray(each, np.float64).min(axis=0)
    assert np.mean(smallest <= looks.level()) == pytest.approx(0.05, abs=0.003)
    # Each look at 0.05 would have made many more mistakes.
    assert np.mean(smallest <= 0.05) > 0.14
    for p in (0.001, 0.02, 0.3):
        assert looks.adjusted(p) == pytest.approx(np.mean(smallest <= p), abs=0.01, rel=0.2)


@pytest.mark.parametrize(("arms", "first", "last"), [(3, 3, 10), (8, 2, 10)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_error_rate_of_several_arms(arms: int, first: int, last: int, alpha: float) -> None:
    level = Looks(arms, first, last).level(alpha)
    correlation = np.full((arms, arms), 0.5) + 0.5 * np.eye(arms)
    losses = np.random.default_rng(8).standard_normal((40_000, last, 1 + arms))
    called = np.zeros(len(losses), bool)
    for seeds, largest in enumerate(largest_t(losses, first), first):
        freedom = arms * (seeds - 1)
        called |= largest > critical_value(level, correlation, freedom)
    assert called.mean() == pytest.approx(alpha, abs=0.0035 if alpha == 0.05 else 0.0016)


def test_the_largest_t_is_that_of_the_verdicts() -> None:
    rng, arms, last = np.random.default_rng(9), 3, 5
    losses = 3.0 + rng.standard_normal((4, last, 1 + arms)) + rng.standard_normal((4, last, 1))
    correlation = np.full((arms, arms), 0.5) + 0.5 * np.eye(arms)
    for seeds, largest in enumerate(largest_t(losses, 2), 2):
        for study, t in zip(losses, largest, strict=True):
            rows = [
                {"run": f"{arm}-{seed}", "intervention": f"arm {arm}" if arm else "baseline",
                 "init_seed": seed, "train_seed": seed, "value": study[seed, arm]}
                for arm in range(1 + arms) for seed in range(seeds)
            ]  # fmt: skip
            found = verdicts(pd.DataFrame(rows))
            p = min(one.p_value for one in found if one.p_value is not None)
            assert p == pytest.approx(tail_probability(t, correlation, arms * (seeds - 1)), 1e-6)


def test_adjusted_p_values_agree_with_the_level() -> None:
    looks = Looks(2, 2, 5)
    level = looks.level()
    assert looks.adjusted(level) == pytest.approx(0.05, abs=1e-4)
    grown = [looks.adjusted(p) for p in np.linspace(0, 1, 50)]
    assert grown == sorted(grown)
    assert all(looks.adjusted(p) >= p for p in (0.0, 0.01, 0.5, 1.0))
    assert Looks(2, 4, 4).adjusted(0.03) == 0.03


@pytest.mark.parametrize("numbers", [(0, 2, 3), (1, 1, 3), (1, 4, 3)])
def test_looks_that_are_none(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="2 seeds or more at the first look"):
        Looks(*numbers)
