"""Verdicts: known answers, equality with Dunnett and the paired t-test, and invariances."""

import warnings
from dataclasses import asdict, replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from noiseband.stats.family import weights
from noiseband.stats.mixed import fit
from noiseband.stats.power import seeds_per_arm
from noiseband.stats.verdicts import Call, Verdict, assess, call, verdicts
from tests.stats.crossed_runs import IRREGULAR, crossed_table

examples = settings(max_examples=4, deadline=None, derandomize=True, database=None)


def by_name(found: list[Verdict]) -> dict[str, Verdict]:
    return {verdict.intervention: verdict for verdict in found}


@pytest.mark.filterwarnings("ignore:The MLE may be on the boundary")
def test_the_published_series(published) -> None:
    """Three verdicts stand. Effects are close to those of statsmodels' REML estimate, in which the
    initial weights explain nearly all of the baseline's scatter."""
    found = by_name(verdicts(published))
    assert len(found) == 8
    called = {name: v.verdict for name, v in found.items() if v.verdict != Call.WITHIN_NOISE}
    assert called == {
        "schedule-learning-rate": Call.HELPS,
        "weight-tying": Call.HURTS,
        "weight-decay-cerebras": Call.HURTS,
    }
    columns = {"init": "0 + C(init_seed)", "train": "0 + C(train_seed)"}
    reference = MixedLM.from_formula(
        "value ~ C(intervention, Treatment('baseline'))",
        published,
        groups=np.ones(len(published)),
        vc_formula=columns,
    ).fit(reml=True)
    for name, one in found.items():
        expected = reference.params[f"C(intervention, Treatment('baseline'))[T.{name}]"]
        assert one.effect == pytest.approx(expected, abs=0.5 * one.se)
        # All eight have one run on the same seeds, so that all are as precise.
        assert one.se == pytest.approx(found["qkv-bias"].se)
        assert (one.runs, one.degrees_of_freedom, one.own_low) == (1, 6, None)

    dropout = found["remove-dropout"]
    sd = assess(published).residual_sd
    assert dropout.high - dropout.effect == pytest.approx(dropout.smallest_visible)
    assert dropout.seeds_high is None
    assert dropout.seeds_low == seeds_per_arm(dropout.low, sd)
    schedule = found["schedule-learning-rate"]
    assert schedule.seeds_low == seeds_per_arm(schedule.low, sd) == 2
    assert schedule.seeds_high == seeds_per_arm(schedule.high, sd)


def test_the_order_is_that_of_the_table(published) -> None:
    names = [verdict.intervention for verdict in verdicts(published)]
    assert names == list(published["intervention"].unique()[1:])


@settings(examples, max_examples=4)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_without_shared_seeds_it_is_scipys_dunnett(table, sizes: list[int], seed: int) -> None:
    """Unbalanced groups on seeds of their own."""
    sizes[0] = max(sizes[0], 2)
    rng = np.random.default_rng(seed)
    groups = [rng.normal(3.6, 0.01, size) for size in sizes]
    rows: list[tuple[str, int, int, float]] = []
    for arm, group in enumerate(groups):
        for loss in group:
            rows.append((f"i{arm}" if arm else "baseline", len(rows), 0, loss))
    expected = stats.dunnett(*groups[1:], control=groups[0], random_state=0)
    found = verdicts(table(rows))
    if any(v.scatter_ratio for v in found):
        return
    assert [v.p_value for v in found] == pytest.approx(list(expected.pvalue), abs=1e-3)
    # scipy searches for its critical value to within about a percent, and warns.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interval = expected.confidence_interval(0.95)
    bounds = np.column_stack([interval.low, interval.high])
    for verdict, (low, high) in zip(found, bounds, strict=True):
        assert (verdict.low, verdict.high) == pytest.approx((low, high), abs=0.05 * (high - low))


def test_one_intervention_on_shared_pairs_is_the_paired_t_test(table) -> None:
    rng = np.random.default_rng(1)
    seed_effect = rng.normal(0, 1, 5)
    baseline = 3.6 + seed_effect + rng.normal(0, 0.01, 5)
    changed = 3.58 + seed_effect + rng.normal(0, 0.01, 5)
    rows = [("baseline", seed, seed, loss) for seed, loss in enumerate(baseline)]
    rows += [("a", seed, seed, loss) for seed, loss in enumerate(changed)]
    (found,) = verdicts(table(rows))
    expected = stats.ttest_rel(changed, baseline)
    interval = expected.confidence_interval()
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-4)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-4)
    assert found.degrees_of_freedom == 4
    assert found.verdict == Call.HELPS


def test_no_residual_degrees_of_freedom_is_not_enough_runs(table) -> None:
    (found,) = verdicts(table([("baseline", 1, 1, 3.0), ("a", 1, 1, 2.5)]))
    assert found.verdict == Call.NOT_ENOUGH_RUNS
    assert found.effect == pytest.approx(-0.5)
    assert found.degrees_of_freedom == 0
    rest = (found.low, found.high, found.p_value, found.smallest_visible, found.se)
    assert rest == (None,) * 5
    assert (found.seeds_low, found.seeds_high) == (None, None)


def test_an_intervention_on_a_seed_of_its_own_is_compared_over_the_seeds_scatter(table) -> None:
    """a and b share a seed that no other arm has, so their intervals hold the seeds' scatter."""
    seen = [("baseline", s, s, 3.0 + s / 100 + s * s / 1000) for s in (1, 2, 3)]
    seen += [("c", s, s, 3.5 + s / 100) for s in (1, 2, 3)]
    found = by_name(verdicts(table([*seen, ("a", 9, 9, 2.9), ("b", 9, 9, 2.8)])))
    assert found["a"].se == pytest.approx(found["b"].se)
    assert found["a"].se > 2 * found["c"].se
    assert found["b"].effect - found["a"].effect == pytest.approx(-0.1)
    assert found["c"].verdict == Call.HURTS


def test_runs_without_scatter_say_nothing_about_noise(table) -> None:
    """3.6 nats three times against 3.59999 once was "helps" with p = 0."""
    rows = [("baseline", seed, seed, 3.6) for seed in (1, 2, 3)]
    found = assess(table([*rows, ("a", 1, 1, 3.59999), ("b", 2, 2, 3.7)]))
    assert {one.verdict for one in found.verdicts} == {Call.NOT_ENOUGH_RUNS}
    assert found.verdicts[0].effect == pytest.approx(-1e-5)
    assert [one.p_value for one in found.verdicts] == [None, None]
    assert (found.residual_sd, found.band) == (None, None)


def test_only_a_baseline_has_no_verdicts(table) -> None:
    assert verdicts(table([("baseline", 1, 1, 3.0)])) == []


def test_what_it_refuses(published) -> None:
    with pytest.raises(ValueError, match="run-3"):
        verdicts(published.assign(value=published["value"].where(published.index != 3)))
    with pytest.raises(ValueError, match="baseline"):
        verdicts(published[published["intervention"] != "baseline"])
    with pytest.raises(ValueError, match="alpha"):
        verdicts(published, alpha=5)
    with pytest.raises(ValueError, match="margin"):
        verdicts(published, margin=0.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.02, -0.01, Call.HELPS),
        (-0.009, -0.001, Call.NO_DIFFERENCE),
        (-0.009, 0.009, Call.NO_DIFFERENCE),
        (-0.010, 0.009, Call.WITHIN_NOISE),
        (0.001, 0.011, Call.HURTS),
        (None, None, Call.NOT_ENOUGH_RUNS),
    ],
)
def test_an_interval_inside_the_margin_is_no_difference_that_matters(low, high, expected) -> None:
    assert call(low, high, margin=0.01) == expected


def test_a_margin_changes_only_the_word(table) -> None:
    rng = np.random.default_rng(5)
    rows = [(a, s, s, 3.6 + 0.001 * rng.normal()) for a in ("baseline", "a") for s in range(5)]
    rows += [("b", s, s, 3.5 + 0.001 * rng.normal()) for s in range(5)]
    plain = by_name(verdicts(table(rows)))
    found = by_name(verdicts(table(rows), margin=0.02))
    assert plain["a"].verdict == Call.WITHIN_NOISE
    assert found["a"].verdict == Call.NO_DIFFERENCE
    assert found["b"] == plain["b"]
    assert found["a"] == replace(plain["a"], verdict=Call.NO_DIFFERENCE)


def test_at_the_tipping_ratio_the_interval_touches_zero(table) -> None:
    """One run against seven, on seeds of their own: |effect| = c s sqrt(r^2 + 1/7)."""
    losses = [3.60, 3.61, 3.59, 3.605, 3.595, 3.602, 3.598]
    rows = [("baseline", s, s, loss) for s, loss in enumerate(losses)]
    (found,) = verdicts(table([*rows, ("a", 9, 9, 3.55)]))
    sd, critical = np.std(losses, ddof=1), stats.t.isf(0.025, 6)
    expected = np.sqrt((0.05 / (critical * sd)) ** 2 - 1 / 7)
    assert found.tipping_ratio == pytest.approx(expected, rel=1e-4)
    half_width = critical * sd * np.sqrt(found.tipping_ratio**2 + 1 / 7)
    assert half_width == pytest.approx(-found.effect, rel=1e-4)


def test_the_tipping_ratio_of_crossed_seeds_solves_its_equation() -> None:
    """The variance of the contrast that is the arm's own, replaced by r^2 times itself."""
    runs = crossed_table(IRREGULAR, (0.3, 0.3, 0.3), seed=9)
    runs.loc[runs["intervention"] == "b", "value"] -= 0.2
    found = by_name(verdicts(runs))["b"]
    model = fit(runs)
    sd = model.rest_variance**0.5
    error = model.standard_errors(weights(model, [{"b": 1.0}]))[0]
    critical = found.smallest_visible / error
    own = sd**2 / 3
    at_r = critical * np.sqrt(error**2 - own + found.tipping_ratio**2 * own)
    assert at_r == pytest.approx(-found.effect)
    assert found.tipping_ratio > 1


def test_a_verdict_is_firm_by_its_own_interval_or_by_its_tipping_ratio() -> None:
    called = Verdict("a", tipping_ratio=3.0)
    assert not called.firm
    assert replace(called, tipping_ratio=10.0).firm
    assert replace(called, own_low=-0.2, own_high=-0.1).firm
    assert not replace(called, own_low=-0.2, own_high=0.1).firm
    assert not Verdict("a", own_low=-0.2, own_high=-0.1).firm


Row = tuple[str, int, int, float]


@st.composite
def studies(draw: st.DrawFn) -> list[Row]:
    """Rows of small studies: crossed seeds and ties included; losses of six decimals."""
    row = st.tuples(
        st.sampled_from(["baseline", "a", "b", "c", "d"]),
        st.integers(1, 4),
        st.integers(1, 2),
        st.integers(-20_000, 20_000),
    )
    micronats = {"baseline": 0, "a": 0, "b": 10_000, "c": -50_000, "d": 300_000}
    rows = draw(st.lists(row, min_size=4, max_size=16))
    return [("baseline", 1, 1, 3.65)] + [
        (arm, init, train, (3_650_000 + micronats[arm] + noise) / 1e6)
        for arm, init, train, noise in rows
    ]


def same(found: list[Verdict], expected: list[Verdict], scale: float = 1.0) -> None:
    """Equal, but for nats multiplied by `scale` and for rounding."""
    nats = {"effect", "low", "high", "own_low", "own_high", "smallest_visible", "se"}
    tolerances: dict[str, Any] = {name: {"rel": 1e-6, "abs": 1e-9} for name in nats}
    # A rounding error may move a statistic across one of the simulated studies.
    tolerances["p_value"] = {"rel": 1e-5, "abs": 1 / 2048}
    tolerances["tipping_ratio"] = tolerances["scatter_ratio"] = {"rel": 1e-4, "abs": 1e-6}
    tolerances["seeds_low"] = tolerances["seeds_high"] = {"rel": 1e-3, "abs": 1}
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name, value in asdict(other).items():
            if name in tolerances and value is not None:
                value = pytest.approx(value * (scale if name in nats else 1), **tolerances[name])
            assert getattr(one, name) == value, name


@examples
@given(rows=studies(), nats=st.integers(-3, 100))
def test_adding_a_constant_changes_nothing(table, rows: list[Row], nats: int) -> None:
    runs = table(rows)
    same(verdicts(runs.assign(value=runs["value"] + nats)), verdicts(runs))


@examples
@given(rows=studies(), factor=st.sampled_from([0.001, 0.5, 2.0, 1000.0]))
def test_scaling_losses_scales_effects(table, rows: list[Row], factor: float) -> None:
    runs = table(rows)
    same(verdicts(runs.assign(value=runs["value"] * factor)), verdicts(runs), factor)


@examples
@given(rows=studies(), random=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_digit(table, rows: list[Row], random: Random) -> None:
    shuffled = random.sample(rows, len(rows))
    assert by_name(verdicts(table(shuffled))) == by_name(verdicts(table(rows)))


@examples
@given(rows=studies(), alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_p_value_interval_and_verdict_agree(table, rows: list[Row], alpha: float) -> None:
    for verdict in verdicts(table(rows), alpha):
        if verdict.verdict in (Call.NOT_ENOUGH_RUNS, Call.IDENTICAL):
            assert verdict.p_value is None
            continue
        assert 0 < verdict.p_value <= 1
        called = verdict.verdict in (Call.HELPS, Call.HURTS)
        assert called == (verdict.p_value < alpha)
        assert called == (not verdict.low <= 0 <= verdict.high)
        assert called == (abs(verdict.effect) > verdict.smallest_visible)
        if called:
            assert (verdict.verdict == Call.HELPS) == (verdict.effect < 0)
            if verdict.scatter_ratio is None:
                assert verdict.seeds_low <= verdict.seeds_high
                assert verdict.tipping_ratio > 1
        else:
            assert verdict.tipping_ratio is None


@settings(examples, max_examples=2)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), *(st.integers(1, 3) for _ in range(3))),
        min_size=3,
        max_size=7,
        unique=True,
    ),
    seed=st.integers(0, 99),
)
def test_any_design_of_three_seeds_has_verdicts(rows, seed: int) -> None:
    """They are finite, deterministic and consistent, with equal and missing seeds too."""
    runs = crossed_table([("baseline", 1, 1, 1), ("baseline", 2, 1, 2), *rows], (1, 1, 1), seed)
    found = assess(runs)
    assert by_name(list(found.verdicts)) == by_name(verdicts(runs.sample(frac=1, random_state=1)))
    assert set(by_name(list(found.verdicts))) == {row[0] for row in rows}
    for one in found.verdicts:
        if one.p_value is not None:
            assert 0 < one.p_value <= 1
            assert np.isfinite([one.low, one.high, one.se]).all()
            assert (one.p_value < 0.05) == (not one.low <= 0 <= one.high)
