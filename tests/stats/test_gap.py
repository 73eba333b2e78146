"""Share of the gap to a reference run, with Fieller's interval."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.gap_coverage import crossed, own_seeds, simulate
from benchmarks.many_studies import Studies, complete
from noiseband.stats.family import critical_value
from noiseband.stats.gap import NoInterval, Share, gap_closed, shares
from noiseband.stats.verdicts import Call, assess

GPT2_SMALL = 3.499677
BEST_CLOUD = 3.577761  # stacked-interventions-1
BASELINE = [3.69, 3.66, 3.71, 3.68]
CHANGED = [3.62, 3.58, 3.63, 3.57]
OTHER = [3.70, 3.66, 3.70, 3.69]
REFERENCE = 3.5


def runs(first: int, **arms: Sequence[float]) -> list[tuple[str, int, int, float]]:
    """Runs on seeds 1, 2, …; those of each later arm start `first` seeds higher."""
    return [
        (name, first * arm + k, first * arm + k, loss)
        for arm, (name, losses) in enumerate(arms.items())
        for k, loss in enumerate(losses, 1)
    ]


def share_of(table: pd.DataFrame, reference: float = REFERENCE, name: str = "a") -> Share:
    (found,) = (one for one in shares(assess(table), reference) if one.intervention == name)
    return found


def test_the_published_shares() -> None:
    """Printed as 60% (59.3%) from the cloud baseline, and 82% from the first local model."""
    assert gap_closed(3.691526, BEST_CLOUD, GPT2_SMALL) == pytest.approx(0.593, abs=5e-4)
    assert gap_closed(3.943522, BEST_CLOUD, GPT2_SMALL) == pytest.approx(0.82, abs=5e-3)


def test_the_ends_of_the_scale() -> None:
    assert gap_closed(4.0, 4.0, 3.0) == 0.0
    assert gap_closed(4.0, 3.0, 3.0) == 1.0
    assert gap_closed(4.0, 4.5, 3.0) == -0.5
    assert gap_closed(4.0, 2.5, 3.0) == 1.5


@pytest.mark.parametrize(
    "losses",
    [(3.0, 2.5, 3.0), (3.0, 2.5, 3.5), (float("nan"), 2.0, 1.0), (3.0, 2.0, -float("inf"))],
)
def test_without_a_gap_there_is_no_share(losses: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"must be finite|is not better than baseline"):
        gap_closed(*losses)


@pytest.mark.parametrize("reference", [3.5, 3.0, 3.64])
def test_of_independent_means_it_is_fiellers_closed_form(table, reference: float) -> None:
    found = share_of(table(runs(10, baseline=BASELINE, a=CHANGED[:3])), reference)
    before, after = np.array(BASELINE), np.array(CHANGED[:3])
    square = (3 * before.var(ddof=1) + 2 * after.var(ddof=1)) / 5
    closed, gap = before.mean() - after.mean(), before.mean() - reference
    t2 = stats.t.isf(0.025, 5) ** 2
    a = gap**2 - t2 * square / 4
    b = gap * closed - t2 * square / 4
    c = closed**2 - t2 * square * (1 / 4 + 1 / 3)
    root = np.sqrt(b**2 - a * c)
    assert found.share == pytest.approx(closed / gap)
    assert (found.low, found.high) == pytest.approx(((b - root) / a, (b + root) / a), rel=1e-6)
    assert found.baseline == pytest.approx(before.mean())


def test_in_blocks_each_end_is_just_rejected(table) -> None:
    """Differences and sums of pairs are independent, and their weights depend on the share."""
    found = share_of(table(runs(0, baseline=BASELINE, a=CHANGED)))
    before, after = np.array(BASELINE), np.array(CHANGED)
    for share in (found.low, found.high):
        value = (before - after).mean() - share * (before.mean() - REFERENCE)
        parts = np.array(
            [
                (1 - share / 2) ** 2 * (before - after).var(ddof=1) / 4,
                (share / 2) ** 2 * (before + after).var(ddof=1) / 4,
            ]
        )
        freedom = parts.sum() ** 2 / (parts**2 / 3).sum()
        p_value = 2 * stats.t.sf(abs(value) / np.sqrt(parts.sum()), freedom)
        assert p_value == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("effect", [0.0, -10.0])
def test_in_other_designs_each_end_is_at_the_larger_of_two_critical_values(effect: float) -> None:
    """That of the verdicts, and the one that is simulated for the estimated shares."""
    design = crossed(2)
    losses = design.draw([1.0, 0.5], 1, np.random.default_rng(5))[0]
    losses[(design.table["intervention"] != "baseline").to_numpy()] += effect
    runs = design.table.assign(value=3.6 + 0.01 * losses)
    study = assess(runs)
    model = study.evidence.model
    found = shares(study, REFERENCE)
    estimated = np.array(
        [[1 - found[0].share, -1.0, 0.0], [1 - found[1].share, 0.0, -1.0]], np.float64
    )
    simulated = critical_value(model.largest(estimated, model.plausible()), 0.05)
    of_verdicts = study.verdicts[0].smallest_visible / study.verdicts[0].se
    assert (simulated > of_verdicts) == (effect < 0)
    critical = max(simulated, of_verdicts)
    assert found[0].baseline == model.value(np.eye(3))[0]
    for end in (found[0].low, found[0].high):
        weights = np.array([[1 - end, -1.0, 0.0]])
        value = model.value(weights)[0] + end * REFERENCE
        assert abs(value) / model.standard_errors(weights)[0] == pytest.approx(critical, rel=1e-6)


def test_the_scatter_of_seeds_is_in_it_although_the_verdict_is_free_of_it(table) -> None:
    seeds = np.array([0.04, -0.05, 0.06, -0.03])
    calm = table(runs(0, baseline=BASELINE, a=CHANGED))
    wild = calm.assign(value=calm["value"] + np.tile(seeds - seeds.mean(), 2))
    one, other = assess(calm).verdicts[0], assess(wild).verdicts[0]
    assert (one.low, one.high) == pytest.approx((other.low, other.high))
    narrow, wide = share_of(calm, 3.4), share_of(wild, 3.4)
    assert narrow.share == pytest.approx(wide.share)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def to_the_edge(table: pd.DataFrame, beyond: float) -> pd.DataFrame:
    """The table with losses of a shifted so that its verdict's interval ends just beyond zero."""
    verdict = next(one for one in assess(table).verdicts if one.intervention == "a")
    shift = (table["intervention"] == "a") * (-verdict.high - beyond * verdict.smallest_visible)
    return table.assign(value=table["value"] + shift)


@pytest.mark.parametrize("first", [0, 10], ids=["blocks", "own seeds"])
@pytest.mark.parametrize("beyond", [-1e-4, 1e-4])
def test_it_excludes_zero_exactly_where_the_verdict_does(table, first: int, beyond: float) -> None:
    moved = to_the_edge(table(runs(first, baseline=BASELINE, a=CHANGED)), beyond)
    helps = assess(moved).verdicts[0].verdict == Call.HELPS
    assert helps == (beyond > 0)
    assert (share_of(moved, 3.0).low > 0) == helps


@pytest.mark.parametrize("first", [0, 10], ids=["blocks", "own seeds"])
def test_in_a_family_too_a_share_is_no_stricter_than_its_verdict(table, first: int) -> None:
    """The much worse arm correlates with a more closely in shares than in effects."""
    worse = [loss + 3.0 for loss in OTHER]
    moved = to_the_edge(table(runs(first, baseline=BASELINE, a=CHANGED, worse=worse)), -1e-4)
    assert assess(moved).verdicts[0].verdict == Call.WITHIN_NOISE
    assert share_of(moved, 3.0).low < 0


def test_the_intervals_of_a_family_are_wider(table) -> None:
    alone = share_of(table(runs(10, baseline=BASELINE, a=CHANGED)))
    both = share_of(table(runs(10, baseline=BASELINE, a=CHANGED, b=[x + 1 for x in CHANGED])))
    assert both.share == pytest.approx(alone.share)
    assert both.high - both.low > alone.high - alone.low


@pytest.mark.parametrize("design", [complete(3, 2), own_seeds(2), crossed(2)], ids=lambda d: d.name)
def test_shares_do_not_depend_on_the_scale_of_the_losses(design: Studies) -> None:
    losses = design.draw([1.0] * len(design.columns()), 1, np.random.default_rng(4))[0]
    effects = design.table["intervention"].map({"i00": -2.0, "i01": 1.0}).fillna(0.0)
    plain = design.table.assign(value=3.6 + 0.01 * (losses + effects))
    expected = shares(assess(plain), 3.5)
    found = shares(assess(plain.assign(value=7 * plain["value"] + 2)), 7 * 3.5 + 2)
    assert len(found) == 2
    for one, other in zip(found, expected, strict=True):
        ends = other.share, other.low, other.high
        assert (one.share, one.low, one.high) == pytest.approx(ends, rel=1e-6)


def test_a_gap_that_could_be_zero_has_no_interval(table) -> None:
    found = share_of(table(runs(0, baseline=BASELINE, a=CHANGED)), float(np.mean(BASELINE)) - 0.01)
    assert found.share == pytest.approx((np.mean(BASELINE) - np.mean(CHANGED)) / 0.01)
    assert (found.low, found.high, found.no_interval) == (None, None, NoInterval.UNCLEAR_GAP)
    assert found.no_interval == "the gap is not clearly different from zero"


def test_a_reference_no_better_than_the_baseline_has_no_shares(table) -> None:
    assert shares(assess(table(runs(0, baseline=BASELINE, a=CHANGED))), 3.7) == []


def test_without_a_measure_of_noise_there_is_no_interval(table) -> None:
    found = share_of(table(runs(0, baseline=BASELINE[:1], a=CHANGED[:1])))
    assert found.share == pytest.approx(0.07 / 0.19)
    assert (found.low, found.no_interval) == (None, NoInterval.NOT_ENOUGH_RUNS)


def test_equal_runs_have_equal_shares(table) -> None:
    rows = runs(0, baseline=BASELINE, same=BASELINE, a=CHANGED, b=OTHER, copy=CHANGED)
    found = {one.intervention: one for one in shares(assess(table(rows)), REFERENCE)}
    assert list(found) == ["same", "a", "b", "copy"]
    assert (found["same"].share, found["same"].no_interval) == (0.0, NoInterval.IDENTICAL)
    assert replace(found["copy"], intervention="a") == found["a"]
    assert found["a"].low is not None


def test_an_arm_out_of_line_has_a_share_without_an_interval(table) -> None:
    rng = np.random.default_rng(8)
    calm = {name: list(3.7 + 0.001 * rng.normal(size=6)) for name in ("baseline", "a", "b", "c")}
    rows = runs(0, **calm, odd=list(3.6 + 0.2 * rng.normal(size=6)))
    found = {one.intervention: one for one in shares(assess(table(rows)), REFERENCE)}
    assert found["odd"].no_interval == NoInterval.OUT_OF_LINE
    assert [found[name].no_interval for name in "abc"] == [None] * 3


@pytest.mark.parametrize(
    ("design", "sds", "studies"),
    [
        (own_seeds(1), [], 150),
        (complete(3, 1), [5.0], 150),
        (complete(3, 3), [1.0], 40),
        (crossed(1), [1.0, 1.0], 100),
    ],
    ids=["own seeds", "blocks", "family in blocks", "crossed"],
)
def test_the_intervals_cover_the_true_shares(
    design: Studies, sds: list[float], studies: int
) -> None:
    """A short version of `benchmarks.gap_coverage`, with three standard errors of room."""
    found = simulate(design, sds, studies)
    assert found.coverage >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / studies)
    assert found.unbounded < 0.05
    assert not found.contradictions
