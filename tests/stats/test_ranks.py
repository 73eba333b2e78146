"""Agreement and ranks, compared with published examples and other computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from noiseband.stats.ranks import (
    intraclass_correlation,
    kendall_w,
    places,
    rank_intervals,
)

# Shrout and Fleiss (1979), table 2: six targets, four judges (here a row each).
SHROUT = [
    [9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7],
]  # fmt: skip


def test_icc_of_shrout_and_fleiss() -> None:
    assert intraclass_correlation(SHROUT) == pytest.approx(0.29, abs=0.005)


def test_perfect_and_no_agreement() -> None:
    same = [[1.0, 2.0, 3.0, 4.0]] * 3
    assert kendall_w(same).w == pytest.approx(1.0)
    assert intraclass_correlation(same) == pytest.approx(1.0)
    assert kendall_w([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]).w == pytest.approx(0.0)


@given(st.lists(st.lists(st.integers(0, 5), min_size=5, max_size=5), min_size=3, max_size=6))
def test_w_is_friedmans_statistic(scores: list[list[int]]) -> None:
    if all(len(set(row)) == 1 for row in scores):
        with pytest.raises(ValueError, match="the same score"):
            kendall_w(scores)
        return
    found = kendall_w(scores)
    friedman = stats.friedmanchisquare(*np.array(scores).T)
    assert found.statistic == pytest.approx(friedman.statistic)
    assert found.p_value == pytest.approx(friedman.pvalue)
    assert -1e-12 <= found.w <= 1 + 1e-12


@pytest.mark.parametrize("function", [kendall_w, intraclass_correlation])
def test_one_judge_is_not_enough(function) -> None:
    with pytest.raises(ValueError, match="two"):
        function([[1.0, 2.0, 3.0]])


def test_places_share_the_best_one_and_leave_out_what_is_missing() -> None:
    assert places([3.0, 1.0, 3.0, None, 0.1 + 0.2, 0.3]) == ["1=", "3", "1=", "", "4=", "4="]


def scores(gap: float, seed: int = 1) -> np.ndarray:
    """Four runs fine-tuned once, three rounds, eighty questions; neighbours `gap` apart, SD 10 a
    question."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 20, 80)
    noise = rng.normal(0, 10, (4, 3, 80))
    return (50 - gap * np.arange(4)[:, None, None] + difficulty + noise)[:, None]


def test_clear_differences_have_certain_ranks_and_none_have_wide_ones() -> None:
    clear = rank_intervals(scores(20.0), draws=300)
    assert [(one.rank, one.low, one.high) for one in clear] == [
        (str(k), k, k) for k in (1, 2, 3, 4)
    ]
    none = rank_intervals(scores(0.0), draws=300)
    assert all(one.high - one.low >= 1 for one in none)
    assert rank_intervals(scores(0.0), draws=300) == none


def test_missing_scores_count_for_nothing() -> None:
    table = scores(20.0)
    table[0, :, :, :40] = np.nan  # half of the best model's, the easy and the hard alike
    assert rank_intervals(table, draws=200)[0].rank == "1"
    table[3] = np.nan
    with pytest.raises(ValueError, match="no score"):
        rank_intervals(table)


def test_intervals_hold_the_true_rank_as_often_as_they_say() -> None:
    """The true best of four, whose mean is 1.5 better, is in its interval in 95% of draws."""
    studies = 120
    held = 0
    for seed in range(studies):
        best = rank_intervals(scores(1.5, seed + 100), draws=200)[0]
        held += best.low <= 1 <= best.high
    assert held / studies >= 0.95 - 3 * (0.05 * 0.95 / studies) ** 0.5


def tuned(seed: int, sd: float, seeds: int = 6) -> np.ndarray:
    """The same with runs that differ only by fine-tuning noise."""
    rng = np.random.default_rng(seed)
    table = np.concatenate([scores(0.0, 1000 * seed + k) for k in range(seeds)], axis=1)
    return table + rng.normal(0, sd, (4, seeds))[:, :, None, None]


def test_intervals_hold_the_noise_of_fine_tuning() -> None:
    """Runs without a difference: each is the first of four in a quarter of all studies, and who
    looks at questions and rounds alone takes the luck of fine-tuning for rank."""
    studies, without, held = 60, 0, 0
    for seed in range(studies):
        table = tuned(seed, sd=4.0)
        once = rank_intervals(table.mean(axis=1, keepdims=True), draws=200)
        whole = rank_intervals(table, draws=200)
        without += once[0].low <= 2 and once[0].high >= 3
        held += whole[0].low <= 2 and whole[0].high >= 3
    # No run is truly better than the middle, so an interval should reach over it.
    assert held / studies > 0.8 > 0.7 > without / studies


def test_a_missing_seed_counts_for_nothing() -> None:
    table = tuned(1, sd=0.0) - 20.0 * np.arange(4)[:, None, None, None]
    table[2, 1:] = np.nan
    found = rank_intervals(table, draws=200)
    assert [one.rank for one in found] == ["1", "2", "3", "4"]
