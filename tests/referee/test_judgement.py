"""Verdicts agree with other libraries, and say what stands behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

import noiseband as nb
from noiseband.errors import UserError
from noiseband.referee.judgement import ArmVerdict
from noiseband.stats.verdicts import verdicts as study_verdicts
from tests.referee.tables import blocked, drawn

PUBLISHED = Path("src/noiseband/published/runs.csv")


def one(found: nb.Answer, arm: str) -> ArmVerdict:
    (verdict,) = [each for each in found.verdicts if each.arm == arm]
    assert isinstance(verdict, ArmVerdict)
    return verdict


@pytest.mark.parametrize("runs", [(3, 3), (2, 5), (7, 4)])
def test_two_arms_without_seeds_are_a_t_test(runs: tuple[int, int]) -> None:
    frame = drawn(sum(runs), {"main": runs[0], "new": runs[1]}, {"new": 0.02})
    main, new = (frame.loc[frame["arm"] == arm, "loss"] for arm in ("main", "new"))
    test = stats.ttest_ind(new, main)
    found = one(nb.verdicts(frame, baseline="main"), "new")
    interval = test.confidence_interval(0.95)
    assert found.p_value == pytest.approx(test.pvalue, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_several_arms_without_seeds_are_dunnetts_test() -> None:
    frame = drawn(5, {"main": 6, "a": 4, "b": 4, "c": 3}, {"b": 0.02})
    groups = {arm: frame.loc[frame["arm"] == arm, "loss"].to_numpy() for arm in "abc"}
    control = frame.loc[frame["arm"] == "main", "loss"].to_numpy()
    test = stats.dunnett(*groups.values(), control=control, rng=np.random.default_rng(1))
    ends = test.confidence_interval(0.95)
    found = nb.verdicts(frame, baseline="main")
    for place, arm in enumerate(groups):
        ours = one(found, arm)
        assert ours.p_value == pytest.approx(test.pvalue[place], abs=2e-3)
        assert ours.low == pytest.approx(ends.low[place], abs=2e-4)
        assert ours.high == pytest.approx(ends.high[place], abs=2e-4)


def test_arms_on_the_same_seeds_are_paired() -> None:
    frame = blocked(3, ["main", "new"], 6)
    main, new = (frame.loc[frame["arm"] == arm, "loss"].to_numpy() for arm in ("main", "new"))
    found = one(nb.verdicts(frame, baseline="main"), "new")
    assert found.p_value == pytest.approx(stats.ttest_rel(new, main).pvalue, rel=1e-9)


def test_a_margin_is_two_one_sided_tests() -> None:
    """At alpha 0.10, because an interval of 90% is the one of two one-sided tests at 5%."""
    called = set()
    for seed in range(30):
        frame = drawn(seed, {"main": 6, "new": 6})
        main, new = (frame.loc[frame["arm"] == arm, "loss"] for arm in ("main", "new"))
        p_value = ttost_ind(new, main, -0.015, 0.015)[0]
        found = one(nb.verdicts(frame, baseline="main", margin=0.015, alpha=0.1), "new")
        assert (found.verdict == "no difference that matters") == (p_value < 0.05)
        called.add(p_value < 0.05)
    assert called == {True, False}


def test_a_margin_may_be_a_share_of_the_baselines_mean() -> None:
    frame = drawn(1, {"main": 5, "new": 5})
    mean = frame.loc[frame["arm"] == "main", "loss"].mean()
    found = nb.verdicts(frame, baseline="main", margin="2%")
    assert found.metrics[0].margin == pytest.approx(0.02 * mean)
    assert one(found, "new").verdict == "no difference that matters"


def test_of_a_metric_that_should_be_high_everything_is_mirrored() -> None:
    frame = drawn(2, {"main": 4, "up": 4, "down": 4}, {"up": 0.1, "down": -0.1})
    low = nb.verdicts(frame, baseline="main", better="lower")
    high = nb.verdicts(frame, baseline="main", better="higher")
    for arm in ("up", "down"):
        a, b = one(low, arm), one(high, arm)
        numbers = ("effect", "low", "high", "p_value", "own_low", "own_high", "tipping_ratio")
        for name in numbers:
            assert getattr(b, name) == pytest.approx(getattr(a, name), rel=1e-6), name
    assert (one(low, "up").verdict, one(high, "up").verdict) == ("hurts", "helps")
    assert (one(low, "down").verdict, one(high, "down").verdict) == ("helps", "hurts")


def test_the_published_series_has_the_verdicts_that_its_report_has() -> None:
    table = pd.read_csv(PUBLISHED).query("role == 'series' and test_loss == test_loss")
    table = table.assign(
        arm=table["interventions"].fillna("baseline"), seed=table["init_seed"].astype(int)
    )
    table = table.drop_duplicates(["arm", "init_seed", "train_seed", "test_loss"])
    frame = table[["run", "arm", "init_seed", "test_loss"]].assign(
        train_seed=table["train_seed"].fillna(table["init_seed"]).astype(int)
    )
    found = nb.verdicts(frame, metric="test_loss")
    runs = frame.rename(columns={"arm": "intervention", "test_loss": "value"})
    for expected in study_verdicts(runs):
        ours = one(found, expected.intervention)
        assert ours.verdict == expected.verdict
        assert ours.effect == pytest.approx(expected.effect, rel=1e-9, abs=1e-12)
        if expected.low is not None:
            assert ours.low == pytest.approx(expected.low, rel=1e-6)


def test_comparisons_that_are_not_shown_widen_every_interval() -> None:
    frame = drawn(4, {"main": 4, "new": 4}, {"new": 0.025})
    alone, of_ten = (nb.verdicts(frame, baseline="main", family=n) for n in (1, 10))
    main, new = (frame.loc[frame["arm"] == arm, "loss"] for arm in ("main", "new"))
    interval = stats.ttest_ind(new, main).confidence_interval(1 - 0.05 / 10)
    assert one(of_ten, "new").low == pytest.approx(interval.low, rel=1e-9)
    single = one(alone, "new").p_value
    assert single is not None and one(of_ten, "new").p_value == pytest.approx(10 * single)
    with pytest.raises(UserError, match="--family 1: there are 2 comparisons"):
        nb.verdicts(drawn(4, {"main": 2, "a": 2, "b": 2}), baseline="main", family=1)


@pytest.mark.parametrize("lost", [np.inf, np.nan, None])
def test_a_run_that_diverged_is_named_and_its_arm_cannot_help(lost: float | None) -> None:
    frame = drawn(6, {"main": 4, "new": 4}, {"new": -0.2})
    assert one(nb.verdicts(frame, baseline="main"), "new").verdict == "helps"
    more = pd.DataFrame([{"run": "new-bad", "arm": "new", "loss": lost}], dtype=object)
    found = nb.verdicts(pd.concat([frame, more]), baseline="main")
    verdict = one(found, "new")
    assert (verdict.verdict, verdict.runs) == ("not enough runs", 4)
    assert verdict.runs_without_value == ("new-bad",)
    assert "no finite loss in new-bad of new; the arm cannot help" in found.notes


def test_a_run_that_is_listed_twice_counts_once() -> None:
    frame = blocked(8, ["main", "new"], 3)
    again = pd.concat([frame, frame[frame["arm"] == "new"].head(1)])
    found, twice = (nb.verdicts(table, baseline="main") for table in (frame, again))
    assert one(twice, "new") == one(found, "new")
    assert "1 of 7 rows repeat a run of the same arm and count once" in twice.notes


def test_runs_are_one_if_their_digests_are() -> None:
    frame = drawn(8, {"main": 3, "new": 3}).assign(digest=["a", "b", "c", "d", "e", "e"])
    assert one(nb.verdicts(frame, baseline="main"), "new").runs == 2


def test_equal_values_are_pointed_out() -> None:
    frame = blocked(8, ["main", "new"], 3)
    frame["loss"] = [*frame["loss"][:4], frame["loss"][3], *frame["loss"][5:]]
    found = nb.verdicts(frame, baseline="main")
    assert one(found, "new").runs == 3
    assert any("the same loss to the last digit" in note for note in found.notes)


def test_an_arm_that_is_the_baseline_is_identical() -> None:
    frame = blocked(9, ["main", "new"], 3)
    same = frame[frame["arm"] == "main"].assign(arm="same")
    found = nb.verdicts(pd.concat([frame, same]), baseline="main")
    assert one(found, "same").verdict == "identical"
    assert one(found, "new") == one(nb.verdicts(frame, baseline="main"), "new")


def test_runs_without_a_seed_share_none() -> None:
    """Next to runs that have seeds: otherwise they would all be on one seed."""
    frame = blocked(3, ["main", "new"], 4).astype({"seed": object})
    frame.loc[frame["arm"] == "new", "seed"] = None
    main, new = (frame.loc[frame["arm"] == arm, "loss"] for arm in ("main", "new"))
    found = one(nb.verdicts(frame, baseline="main"), "new")
    assert found.p_value == pytest.approx(stats.ttest_ind(new, main).pvalue, rel=1e-9)


def test_one_more_run_buys_what_it_says() -> None:
    """The half-width with one more run, against the same table with that run, up to the noise."""
    frame = drawn(11, {"main": 40, "new": 2})
    found = one(nb.verdicts(frame, baseline="main"), "new")
    error = np.sqrt((1 / 3 + 1 / 40) / (1 / 2 + 1 / 40))
    assert found.smallest_visible is not None and found.next_half_width is not None
    assert found.next_half_width == pytest.approx(found.smallest_visible * error, rel=1e-9)


def test_an_arm_may_have_the_name_that_the_baseline_has_inside() -> None:
    frame = drawn(12, {"main": 3, "baseline": 3}, {"baseline": 0.3})
    assert one(nb.verdicts(frame, baseline="main"), "baseline").verdict == "hurts"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"baseline": "mian"}, "--baseline mian: no such arm; did you mean main?"),
        ({}, "--baseline is missing: name the arm that the others are compared with"),
        ({"baseline": "main", "margin": "two"}, "--margin two: use a number above 0"),
        ({"baseline": "main", "margin": 0}, "--margin 0: use a number above 0"),
        ({"baseline": "main", "alpha": 1.5}, "--alpha 1.5: use a number between 0 and 1"),
        ({"baseline": "main", "better": "less"}, "--better less: use lower or higher"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        nb.verdicts(drawn(1, {"main": 3, "new": 3}), **arguments)
    assert message in str(caught.value)


def test_a_baseline_without_a_value_is_an_error() -> None:
    frame = drawn(1, {"main": 1, "new": 3})
    frame.loc[0, "loss"] = np.inf
    with pytest.raises(UserError, match="none of its runs has a finite loss"):
        nb.verdicts(frame, baseline="main")


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["main", "a", "b"]),
        st.integers(1, 3),
        st.floats(2.0, 4.0).map(lambda value: round(value, 4)),
    ),
    min_size=4,
    max_size=9,
)
FORMATS: list[Callable[[float], Any]] = [
    repr, "{:+.4f}".format, "{:.6f}".format, "{:.4e}".format, float,
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.data())
def test_order_names_columns_and_formats_change_no_digit(
    rows: list[tuple[str, int, float]], random: Any, data: st.DataObject
) -> None:
    rows = [("main", 1, 3.0), *rows]
    plain = pd.DataFrame(rows, columns=["arm", "seed", "loss"])
    shuffled = [*rows]
    random.shuffle(shuffled)
    other = pd.DataFrame(
        {
            "remark": "none",
            "loss": [data.draw(st.sampled_from(FORMATS))(loss) for _, _, loss in shuffled],
            "seed": [random.choice([seed, f"0{seed}", float(seed)]) for _, seed, _ in shuffled],
            "run": [f"run {random.random()}" for _ in shuffled],
            "arm": [arm for arm, _, _ in shuffled],
        },
        dtype=object,
    )
    one_way = {one.arm: one for one in nb.verdicts(plain, baseline="main").verdicts}
    another = nb.verdicts(other, baseline="main", metric="loss")
    assert {each.arm: each for each in another.verdicts} == one_way
