"""Simultaneous intervals: exact where that is possible, simulated otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from benchmarks.many_studies import Studies
from noiseband.stats.family import (
    blocks_that_cost_nothing,
    critical_value,
    family,
    new_run,
    tail_probability,
    weights,
)
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.mixed import fit
from tests.stats.crossed_runs import IRREGULAR, crossed_table
from tests.stats.test_maxt import by_quadrature

ARMS = (BASELINE, "a", "b", "c", "d")
EACH = [{name: 1.0} for name in ARMS[1:]]
COMPLETE = [(arm, seed, seed, seed) for arm in ARMS for seed in (1, 2, 3)]


def test_complete_blocks_are_two_way_analysis_of_variance() -> None:
    """Seeds that scatter five times as much as the rest cost nothing."""
    runs = crossed_table(COMPLETE, (5.0, 0.0, 0.0), seed=6)
    runs["intervention"] = runs["intervention"].replace(BASELINE, " baseline")
    reference = smf.ols("value ~ C(intervention) + C(init_seed)", runs).fit()
    found = family(fit(runs.replace(" baseline", BASELINE)), EACH)
    assert found.degrees_of_freedom == reference.df_resid == 8
    assert found.sd == pytest.approx(np.sqrt(reference.scale))
    for name, one in zip(ARMS[1:], found.estimates, strict=True):
        term = f"C(intervention)[T.{name}]"
        assert one.value == pytest.approx(reference.params[term])
        assert one.se == pytest.approx(reference.bse[term])
        critical = one.half_width / one.se
        assert by_quadrature(critical, np.full(4, 0.5**0.5), 8) == pytest.approx(0.05, abs=2e-4)
        expected = by_quadrature(abs(one.value) / one.se, np.full(4, 0.5**0.5), 8)
        assert one.p_value == pytest.approx(expected, abs=2e-4)


def test_blocks_are_used_only_if_they_cost_nothing() -> None:
    def exact(rows: list[tuple[str, int, int, int]]) -> bool:
        model = fit(crossed_table(rows, (1.0, 1.0, 1.0), seed=1))
        return blocks_that_cost_nothing(model, weights(model, [{"a": 1.0}])) is not None

    assert exact(COMPLETE)
    assert exact([(arm, 9 * k + s, 0, 0) for k, arm in enumerate(ARMS) for s in range(2)])
    assert not exact([*COMPLETE, (BASELINE, 1, 2, 1), (BASELINE, 2, 1, 1)])
    assert not exact([*COMPLETE, ("a", 9, 9, 9), (BASELINE, 4, 4, 4)])
    # One shared seed: a block would compare one run with one run.
    assert not exact([*((BASELINE, s, s, s) for s in range(5)), ("a", 0, 0, 0), ("b", 0, 0, 0)])


def test_a_partly_paired_design_is_better_than_blocks_and_than_no_blocks() -> None:
    """The baseline on five seeds and an arm on two of them, seeds as noisy as the rest.

    With the ratio known, generalised least squares is the most precise. Averaging over the grid
    comes close to its precision.
    """
    rows = [*((BASELINE, s, s, s) for s in range(5)), *(("a", s, s, s) for s in (0, 1))]
    design = Studies("partly paired", rows)
    losses = design.draw([1.0], 5000, np.random.default_rng(1))
    value, _ = design.intervals(losses)
    best = design.known([1.0])
    assert (losses @ best.weights[0]).std() == pytest.approx(best.error[0], rel=0.03)
    assert 0.97 * best.error[0] < value.std() < 1.1 * best.error[0]
    # A block for each shared seed, and none at all, both with seeds as noisy as the rest.
    assert best.error[0] < np.sqrt(1 / 2 + 1 / 2)
    assert best.error[0] < np.sqrt((1 / 2 - 1 / 5) + 1 / 2 + 1 / 5)


def test_simulated_draws_give_p_values_and_limits_that_agree() -> None:
    draws = np.arange(1.0, 100.0)[None]
    assert critical_value(draws, 0.05) == 96.0
    assert tail_probability(draws, 96.0) == 0.05
    assert tail_probability(draws, 96.5) == 0.04
    assert (tail_probability(draws, 0.0), tail_probability(draws, 1e9)) == (1.0, 0.01)
    # The least favourable of the plausible ratios counts.
    both = np.concatenate([draws, draws / 2])
    assert critical_value(both, 0.05) == 96.0
    assert tail_probability(both, 60.0) == 0.41


def test_an_effect_far_from_zero_is_found_on_an_irregular_design() -> None:
    runs = crossed_table(IRREGULAR, (0.3, 0.3, 0.3), seed=9)
    runs.loc[runs["intervention"] == "b", "value"] -= 0.2
    found = dict(zip("abc", family(fit(runs), [{n: 1.0} for n in "abc"]).estimates, strict=True))
    assert found["b"].high < 0
    assert found["b"].p_value < 0.05 < found["a"].p_value
    assert found["b"].low < -0.2 < found["b"].high


def test_a_new_baseline_run_without_shared_seeds_is_a_prediction_interval() -> None:
    runs = crossed_table([(BASELINE, s, s, s) for s in range(6)], (0.0, 0.0, 0.0), seed=2)
    sd = runs["value"].std()
    expected = stats.t.isf(0.05, 5) * sd * np.sqrt(1 + 1 / 6)
    assert new_run(fit(runs), alpha=0.1) == pytest.approx(expected)


def test_a_new_baseline_run_has_new_seeds() -> None:
    """95% of new runs on new seeds are inside; with the SD of the rest alone it would be 49%."""
    inside = []
    for seed in range(40):
        rows = [(arm, s, 0, 0) for arm in (BASELINE, "a", "b") for s in range(5)]
        runs = crossed_table(rows, (3.0, 0.0, 0.0), seed)
        model = fit(runs)
        half = new_run(model)
        assert half is not None
        mean = model.value(np.eye(1, 3))[0]
        # The share of new runs between the ends, under their true mean and SD.
        total = 0.01 * np.sqrt(3.0**2 + 1)
        low, high = stats.norm.cdf(np.array([mean - half, mean + half]), 3.6, total).tolist()
        inside.append(high - low)
    assert 0.93 < np.mean(inside) < 0.985


def test_what_it_refuses_and_what_it_cannot_say() -> None:
    runs = crossed_table(COMPLETE, (0.0, 0.0, 0.0), seed=1)
    with pytest.raises(ValueError, match="no intervention named 'zzz'"):
        family(fit(runs), [{"zzz": 1.0}])
    with pytest.raises(ValueError, match="alpha"):
        family(fit(runs), EACH, alpha=0.0)
    still = family(fit(runs.assign(value=3.6)), EACH)
    assert still.sd is None
    assert {one.value for one in still.estimates} == {0.0}
    assert {one.p_value for one in still.estimates} == {None}
    assert new_run(fit(runs.assign(value=3.6))) is None
    assert family(fit(runs), []).estimates == ()
