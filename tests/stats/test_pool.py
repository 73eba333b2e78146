"""Arms that scatter out of line leave the pool."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from noiseband.stats.pool import LEVEL, out_of_line, pooled
from noiseband.stats.verdicts import Call, assess
from tests.stats.conftest import Row


def arm(name: str, seeds: range, mean: float, sd: float) -> list[Row]:
    rng = np.random.default_rng([seeds.start, len(seeds)])
    return [(name, seed, seed, mean + sd * rng.normal()) for seed in seeds]


GOOD = [*arm("baseline", range(1, 6), 3.6, 0.01), *arm("good", range(11, 14), 3.5, 0.01)]


def test_one_outlier_does_not_silence_the_study(table) -> None:
    """Another arm has runs of 3.6 and 7.2 nats. With it in the pool, p would be 0.99."""
    odd = [("odd", 21, 21, 3.6), ("odd", 22, 22, 7.2)]
    alone, found = assess(table(GOOD)), assess(table(GOOD + odd))
    assert list(pooled(table(GOOD + odd)).out_of_line) == ["odd"]
    good, other = found.verdicts
    assert good.verdict == Call.HELPS
    assert good.p_value == alone.verdicts[0].p_value < 0.001
    assert found.residual_sd == alone.residual_sd
    assert other.verdict == Call.NOT_ENOUGH_RUNS
    losses = [row[3] for row in GOOD]
    inside = np.sqrt((4 * np.var(losses[:5], ddof=1) + 2 * np.var(losses[5:], ddof=1)) / 6)
    assert other.scatter_ratio == pytest.approx(np.std([3.6, 7.2], ddof=1) / inside)


def test_a_quiet_arm_with_many_runs_does_not_lend_its_precision(table) -> None:
    rows = [*GOOD, *arm("other", range(31, 34), 3.6, 0.01)]
    quiet = arm("quiet", range(41, 55), 3.6, 0.0003)
    alone, found = assess(table(rows)), assess(table(rows + quiet))
    assert found.residual_sd == alone.residual_sd
    judged = {one.intervention: one for one in found.verdicts}["quiet"]
    assert judged.scatter_ratio < 0.1
    losses = [np.array([row[3] for row in part]) for part in (quiet, GOOD[:5])]
    # Three interventions were judged, and this one by Welch's test alone.
    single = stats.ttest_ind(*losses, equal_var=False)
    assert judged.p_value == pytest.approx(1 - (1 - single.pvalue) ** 3)


def test_the_test_is_an_f_test_with_bonferronis_correction(table) -> None:
    """On seeds of their own, and for a scatter just on either side of the limit."""
    base = [
        ("baseline", s, s, x) for s, x in zip((1, 2, 3, 4), (3.59, 3.60, 3.61, 3.62), strict=True)
    ]
    other = [
        ("other", s, s, x) for s, x in zip((5, 6, 7, 8), (3.59, 3.60, 3.61, 3.62), strict=True)
    ]
    sd = float(np.std([3.59, 3.60, 3.61, 3.62], ddof=1))
    # Two arms are tested, each on both sides: one run of `a` more gives two degrees of freedom.
    limit = float(np.sqrt(stats.f.isf(LEVEL / 2 / 2, 2, 6)))
    for factor, leaves in ((0.99, False), (1.01, True)):
        spread = factor * limit * sd
        rows = [("a", 9 + k, 9 + k, 3.6 + spread * x) for k, x in enumerate((-1, 0, 1))]
        found = out_of_line(table([*base, *other, *rows]))
        assert list(found) == (["a"] if leaves else [])
        if leaves:
            assert found["a"] == pytest.approx(factor * limit)


def test_two_equal_losses_are_not_suspicious(table) -> None:
    rows = [*GOOD, ("equal", 21, 21, 3.6), ("equal", 22, 22, 3.6)]
    assert out_of_line(table(rows)) == {}


def test_one_run_and_the_baseline_never_leave(table) -> None:
    rows = [("baseline", 1, 1, 3.0), ("baseline", 2, 2, 9.0), ("far", 3, 3, 99.0)]
    assert out_of_line(table(rows + arm("a", range(4, 12), 3.6, 1e-6)[:1])) == {}
    wild = [("baseline", s, s, 3.6 + 4 * (s % 2)) for s in range(4)]
    steady = arm("a", range(11, 14), 3.6, 0.01) + arm("b", range(21, 24), 3.6, 0.01)
    assert "baseline" not in out_of_line(table(wild + steady))


def test_two_arms_leave_one_after_the_other(table) -> None:
    rows = [*GOOD, *arm("x", range(31, 36), 3.6, 0.01)]
    rows += [("p", 21, 21, 3.0), ("p", 22, 22, 7.2), ("q", 23, 23, 3.6), ("q", 24, 24, 3.9)]
    assert set(out_of_line(table(rows))) == {"p", "q"}


def test_equal_arms_count_once_in_a_contrast(table) -> None:
    found = pooled(
        table([*GOOD, *(("twin", *row[1:]) for row in GOOD[5:]), ("null", *GOOD[0][1:])])
    )
    assert found.resolved({"good": 1.0, "twin": 1.0}) == {"good": 2.0}
    assert found.resolved({"good": 1.0, "twin": -1.0}) == {}
    assert found.resolved({"null": 1.0}) == {}
