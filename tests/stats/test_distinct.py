"""Each run counts once."""

from __future__ import annotations

import pytest

from noiseband.stats.distinct import distinct
from noiseband.stats.verdicts import Call, assess, verdicts

BASELINE = [("baseline", s, s, x) for s, x in zip((1, 2, 3), (3.690, 3.670, 3.655), strict=True)]
D = [("d", s, s, x) for s, x in zip((1, 2, 3), (3.676, 3.662, 3.650), strict=True)]


def test_arms_equal_to_the_baseline_add_no_evidence(table) -> None:
    """The paired t-test of d gives p = 0.0766; with three copies of the baseline it was 0.0022."""
    alone = assess(table(BASELINE + D))
    copies = [(name, *row[1:]) for name in "abc" for row in BASELINE]
    joined = assess(table(BASELINE + D + copies))
    assert alone.verdicts[0].p_value == pytest.approx(0.0766, abs=5e-5)
    assert joined.verdicts[0] == alone.verdicts[0]
    assert (joined.residual_sd, joined.band) == (alone.residual_sd, alone.band)
    for one in joined.verdicts[1:]:
        assert (one.verdict, one.same_as, one.effect) == (Call.IDENTICAL, "baseline", 0.0)
        assert (one.runs, one.p_value, one.degrees_of_freedom) == (3, None, None)


def test_a_seed_that_changes_nothing_makes_no_second_run(table) -> None:
    """Two runs of one arm with the same weights, as without dropout, are one."""
    runs = table([*BASELINE, ("a", 1, 1, 3.60), ("a", 1, 2, 3.60), ("a", 2, 2, 3.61)])
    named = runs.assign(identity=["b1", "b2", "b3", "same", "same", "a2"])
    once = named.drop(index=4)
    assert list(distinct(named).table["run"]) == ["run-0", "run-1", "run-2", "run-3", "run-5"]
    assert "identity" not in distinct(named).table
    assert verdicts(named) == verdicts(once)
    assert verdicts(named)[0].runs == 2
    # With different seeds and without digests, they are two runs that happen to be equal.
    assert verdicts(runs)[0].runs == 3


def test_without_digests_equal_seeds_and_losses_are_one_run(table) -> None:
    runs = table([*BASELINE, ("a", 1, 1, 3.6), ("a", 1, 1, 3.6), ("a", 2, 2, 3.61)])
    assert len(distinct(runs).table) == 5


def test_an_arm_that_equals_another_shares_its_verdict(table) -> None:
    copies = [("e", *row[1:]) for row in D]
    d, e = verdicts(table(BASELINE + D + copies))
    assert e.same_as == "d"
    assert (e.effect, e.p_value, e.verdict) == (d.effect, d.p_value, d.verdict)
    assert (d,) == tuple(verdicts(table(BASELINE + D)))


def test_an_arm_of_some_of_the_baselines_runs_is_identical(table) -> None:
    found = distinct(table([*BASELINE, ("a", *BASELINE[1][1:])]))
    assert found.same_as == {"a": "baseline"}
    # One run of its own, and it is an arm of its own.
    found = distinct(table([*BASELINE, ("a", *BASELINE[1][1:]), ("a", 1, 1, 3.7)]))
    assert found.same_as == {}


def test_the_baseline_comes_first_wherever_it_is_in_the_table(table) -> None:
    found = distinct(table([("a", *row[1:]) for row in BASELINE] + BASELINE))
    assert found.same_as == {"a": "baseline"}
