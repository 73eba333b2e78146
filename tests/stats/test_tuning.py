"""Fine-tuning noise, compared with scipy's analysis of variance and paired t-test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from noiseband.stats.tuning import differences, tuning_noise

Values = dict[str, dict[int, float]]


def study(seed: int, runs: int = 5, seeds: int = 3, between: float = 0.0, within: float = 1.0):
    """Runs of SD `between`, fine-tuned with seeds of SD `within`."""
    rng = np.random.default_rng(seed)
    means = rng.normal(50, between, runs)
    return {
        f"run-{k}": {s: mean + rng.normal(0, within) for s in range(seeds)}
        for k, mean in enumerate(means)
    }


GROUPS = st.lists(
    st.lists(st.integers(-50, 50), min_size=1, max_size=4), min_size=2, max_size=5
).filter(lambda groups: any(len(set(group)) > 1 for group in groups))


@given(GROUPS)
def test_it_is_a_one_way_analysis_of_variance(groups: list[list[int]]) -> None:
    values: Values = {
        str(k): {s: float(v) for s, v in enumerate(group)} for k, group in enumerate(groups)
    }
    found = tuning_noise(values)
    models = sum(map(len, groups))
    assert (found.runs, found.models) == (len(groups), models)
    assert found.degrees_of_freedom == models - len(groups)
    # Where all means are equal, rounding may leave scipy a negative F, of which it has no p.
    expected = stats.f_oneway(*groups).pvalue
    assert found.p_value == pytest.approx(1.0 if np.isnan(expected) else expected, abs=1e-6)
    # Pooled: the variances' mean, weighted by their degrees of freedom.
    squares = sum((len(g) - 1) * float(np.var(g, ddof=1)) for g in groups if len(g) > 1)
    assert found.within**2 == pytest.approx(squares / found.degrees_of_freedom)
    assert found.between == pytest.approx(np.std([np.mean(g) for g in groups], ddof=1), abs=1e-12)
    for sd, low, high, freedom in (
        (found.within, found.within_low, found.within_high, models - len(groups)),
        (found.between, found.between_low, found.between_high, len(groups) - 1),
    ):
        if sd > 0:
            ratios = [freedom * (sd / low) ** 2, freedom * (sd / high) ** 2]
            assert stats.chi2.cdf(ratios, freedom) == pytest.approx([0.975, 0.025])


def test_what_one_seed_or_one_run_cannot_tell_is_none() -> None:
    one_seed = tuning_noise({"a": {42: 1.0}, "b": {42: 3.0}})
    assert (one_seed.within, one_seed.p_value) == (None, None)
    assert one_seed.between == pytest.approx(2**0.5)
    one_run = tuning_noise({"a": {42: 1.0, 22: 3.0}, "b": {}})
    assert (one_run.between, one_run.p_value) == (None, None)
    assert one_run.within == pytest.approx(2**0.5)
    assert tuning_noise({}).models == 0


def test_no_scatter_at_all() -> None:
    third = 0.1 + 0.2  # whose mean of three is not itself in floats
    alike = tuning_noise({"a": dict.fromkeys(range(3), third), "b": dict.fromkeys(range(3), third)})
    assert (alike.within, alike.between, alike.p_value) == (0.0, 0.0, 1.0)
    apart = tuning_noise({"a": dict.fromkeys(range(3), third), "b": dict.fromkeys(range(3), 0.3)})
    assert (apart.within, apart.p_value) == (0.0, 0.0)


def test_two_runs_alone_are_a_paired_t_test() -> None:
    values = study(1, runs=2, seeds=6, between=1.0)
    (found,) = differences(values, [("run-0", "run-1")])
    one, two = (list(seeds.values()) for seeds in values.values())
    paired = stats.ttest_rel(two, one)
    assert found.value == pytest.approx(np.mean(two) - np.mean(one))
    assert found.p_value == pytest.approx(paired.pvalue, rel=1e-3)
    interval = paired.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-3)


def test_the_order_of_a_pair_is_its_sign_and_any_run_may_be_in_it() -> None:
    values = study(2, runs=4, between=2.0)
    (ab,), (ba,) = (differences(values, [p]) for p in (("run-1", "run-3"), ("run-3", "run-1")))
    assert ab.value == pytest.approx(-ba.value)
    assert ab.p_value == pytest.approx(ba.p_value)
    pairs = differences(values, [("run-0", "run-2"), ("run-1", "run-3")])
    assert pairs[1].value == pytest.approx(ab.value)
    assert pairs[1].p_value >= ab.p_value  # adjusted for two


def test_one_seed_gives_a_difference_and_no_test() -> None:
    (found,) = differences({"a": {42: 1.0}, "b": {42: 3.5}}, [("a", "b")])
    assert (found.value, found.p_value, found.low) == (2.5, None, None)


def test_equal_twins_are_told_apart_in_five_percent_of_families() -> None:
    studies = 150
    called = sum(
        min(
            e.p_value
            for e in differences(study(k, runs=6), [("run-0", "run-1"), ("run-0", "run-5")])
        )
        < 0.05
        for k in range(studies)
    )
    assert called / studies <= 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5


def test_unequal_ones_are_found() -> None:
    values = study(3, runs=6)
    values["run-1"] = {seed: value + 8.0 for seed, value in values["run-1"].items()}
    (found,) = differences(values, [("run-0", "run-1")])
    assert found.p_value < 0.001
    assert found.low > 0
