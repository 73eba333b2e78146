"""A comparison with a target is a one-sample t-test, as honest about the number of runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import noiseband as nb
from noiseband.errors import UserError
from noiseband.referee.target import TargetVerdict
from tests.referee.tables import drawn

RECORD = [3.27843, 3.27796, 3.27964, 3.27811, 3.27891, 3.27876, 3.27952]
"""Losses as public records of speed runs print them; numbers made up."""


def only(found: nb.Answer) -> TargetVerdict:
    (one,) = found.verdicts
    assert isinstance(one, TargetVerdict)
    return one


def test_it_is_a_one_sample_t_test() -> None:
    found = only(nb.verdicts(pd.DataFrame({"loss": RECORD}), target=3.28))
    test = stats.ttest_1samp(RECORD, 3.28)
    ends = test.confidence_interval(0.95)
    assert found.p_value == pytest.approx(test.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((ends.low - 3.28, ends.high - 3.28), rel=1e-6)
    assert found.verdict == "better than the target"


@pytest.mark.parametrize(
    ("target", "better", "verdict"),
    [
        (3.2787, "lower", "within noise"),
        (3.27, "lower", "worse than the target"),
        (3.27, "higher", "better than the target"),
        (3.29, "higher", "worse than the target"),
    ],
)
def test_the_direction_decides(target: float, better: str, verdict: str) -> None:
    frame = pd.DataFrame({"loss": RECORD})
    assert only(nb.verdicts(frame, target=target, better=better)).verdict == verdict


def test_several_arms_share_alpha() -> None:
    frame = drawn(1, {"a": 5, "b": 4, "c": 3})
    found = nb.verdicts(frame, target=3.3)
    level = 1 - 0.95 ** (1 / 3)
    for one in found.verdicts:
        values = frame.loc[frame["arm"] == one.arm, "loss"]
        ends = stats.ttest_1samp(values, 3.3).confidence_interval(1 - level)
        assert one.low == pytest.approx(ends.low - 3.3, rel=1e-6)


def test_one_run_is_not_enough_and_neither_are_equal_ones() -> None:
    for losses in ([3.2], [3.2, 3.2, 3.2]):
        found = only(nb.verdicts(pd.DataFrame({"loss": losses}), target=3.28))
        assert (found.verdict, found.p_value) == ("not enough runs", None)


def test_fewer_comparisons_than_the_table_has_are_refused() -> None:
    with pytest.raises(UserError, match="--family 1: there are 2 comparisons"):
        nb.verdicts(drawn(1, {"a": 3, "b": 3}), target=3.3, family=1)


def test_a_row_that_repeats_a_run_counts_once() -> None:
    frame = pd.DataFrame({"seed": [1, 2, 3, 3], "loss": [3.2, 3.3, 3.4, 3.4]})
    found = nb.verdicts(frame, target=3.0, metric="loss")
    assert only(found).runs == 3
    assert any("repeat a run and count once" in note for note in found.notes)


def test_runs_that_share_a_seed_are_refused() -> None:
    frame = pd.DataFrame({"init_seed": [1, 1, 2], "train_seed": [1, 2, 3], "loss": [3.2, 3.3, 3.4]})
    with pytest.raises(UserError, match="runs of all runs have the same init_seed"):
        nb.verdicts(frame, target=3.0, metric="loss")


def test_a_run_that_diverged_keeps_an_arm_from_being_better() -> None:
    frame = pd.DataFrame({"loss": [*RECORD, np.inf]})
    found = nb.verdicts(frame, target=3.28)
    assert only(found).verdict == "not enough runs"
    assert any("so it cannot be better" in note for note in found.notes)
