"""Additivity: the published prediction, and the interval it lacked."""

import numpy as np
import pytest
from scipy import stats

from noiseband.stats.additivity import additivity
from noiseband.stats.family import weights
from noiseband.stats.mixed import fit

FOUR = ["gradient-clipping", "weight-decay-gpt2", "remove-dropout", "schedule-learning-rate"]
FIVE = [*FOUR, "qkv-bias"]


def test_the_published_prediction(published_with_stacks) -> None:
    """0.223789 predicted for five and 0.113765 got with the best, against one run: 3.691526.

    The best stack holds only four of the five; what was predicted for it is 0.201648. The stack of
    all five got 0.087184.
    """
    runs = published_with_stacks.drop(range(1, 7))
    best, five = additivity(runs, {"stacked-1": FOUR, "stacked-2": FIVE})
    assert five.predicted == pytest.approx(-0.223789, abs=5e-7)
    assert five.got == pytest.approx(-0.087184, abs=5e-7)
    assert best.got == pytest.approx(-0.113765, abs=5e-7)
    assert best.predicted == pytest.approx(-0.201648, abs=5e-7)
    assert best.difference == pytest.approx(best.got - best.predicted)
    assert best.degrees_of_freedom == 0
    assert (best.se, best.low, best.high, best.p_value) == (None, None, None, None)


def test_against_all_seven_baselines_the_shortfall_is_within_noise(published_with_stacks) -> None:
    """The difference is the contrast stack - parts of the one model of all runs."""
    (best,) = additivity(published_with_stacks, {"stacked-1": FOUR})
    model = fit(published_with_stacks)
    contrast = weights(model, [{"stacked-1": 1.0, **dict.fromkeys(FOUR, -1.0)}])
    assert contrast[0, 0] == 3.0  # the baseline's mean enters four times less once
    assert best.difference == pytest.approx(model.value(contrast)[0])
    assert best.difference == pytest.approx(best.got - best.predicted)
    assert best.se == pytest.approx(model.standard_errors(contrast)[0])
    assert best.degrees_of_freedom == 6
    assert best.p_value > 0.05
    assert best.low < 0 < best.high


def test_on_seeds_of_their_own_it_is_one_sum_of_variances(published_with_stacks) -> None:
    """se^2 / sd^2 = 1 + 4 for the runs, and (4 - 1)^2 / 7 for the baseline's mean."""
    seeds = range(len(published_with_stacks))
    runs = published_with_stacks.assign(init_seed=seeds, train_seed=seeds)
    (best,) = additivity(runs, {"stacked-1": FOUR})
    baseline = runs["value"][:7]
    assert best.se == pytest.approx(baseline.std() * np.sqrt(5 + 9 / 7))
    # The baseline's mean is 0.017423 below the run of seed 42, and enters 1 - 4 times.
    assert best.difference == pytest.approx(0.087883 - 3 * (3.691526 - baseline.mean()), abs=1e-6)
    assert best.p_value == pytest.approx(2 * stats.t.sf(best.difference / best.se, 6), abs=1e-4)


def test_additive_effects_leave_no_difference(table) -> None:
    loss = {"baseline": 3.0, "a": 2.9, "b": 3.2, "a+b": 3.1}
    runs = table([(arm, seed, seed, x + seed / 7) for arm, x in loss.items() for seed in (1, 2)])
    (found,) = additivity(runs, {"a+b": ["a", "b"]})
    assert found.predicted == pytest.approx(0.1)
    assert found.got == pytest.approx(0.1)
    assert found.difference == pytest.approx(0.0, abs=1e-12)


def test_several_stacks_are_one_family(published_with_stacks) -> None:
    stacks = {"stacked-1": FOUR, "stacked-2": FIVE}
    (alone,) = additivity(published_with_stacks, {"stacked-1": FOUR})
    together = additivity(published_with_stacks, stacks)[0]
    assert together.difference == pytest.approx(alone.difference)
    assert together.p_value > alone.p_value
    assert together.high > alone.high


@pytest.mark.parametrize("parts", [["a"], ["a", "a"], ["a", "s"], []])
def test_a_stack_needs_two_distinct_parts(table, parts: list[str]) -> None:
    runs = table([("baseline", 1, 1, 3.0), ("a", 2, 2, 3.0), ("s", 3, 3, 3.0)])
    with pytest.raises(ValueError, match="two or more distinct parts"):
        additivity(runs, {"s": parts})


def test_a_part_without_a_run_leaves_nothing_to_predict(published) -> None:
    """Its stack does not count in the family either."""
    parts = {"qkv-bias": ["gradient-clipping", "bfloat16"]}
    whole = {"remove-dropout": ["gradient-clipping", "qkv-bias"]}
    (found,) = additivity(published, parts)
    assert found.missing_parts == ("bfloat16",)
    assert found.got is not None
    assert (found.predicted, found.difference, found.degrees_of_freedom) == (None, None, None)
    assert additivity(published, parts | whole)[1] == additivity(published, whole)[0]


def test_a_stack_without_a_run_has_got_nothing(published) -> None:
    (found,) = additivity(published, {"all": ["gradient-clipping", "qkv-bias"]})
    assert (found.missing_parts, found.got, found.predicted) == ((), None, None)


def test_a_stack_that_is_its_parts_bit_for_bit_has_no_difference(table) -> None:
    """b equals the baseline, so the stack of a and b is a."""
    rows = [("baseline", s, s, 3.0 + s / 7) for s in (1, 2)] + [("a", s, s, 2.9) for s in (1, 2)]
    rows += [("b", *row[1:]) for row in rows[:2]] + [("a+b", *row[1:]) for row in rows[2:]]
    (found,) = additivity(table(rows), {"a+b": ["a", "b"]})
    assert found.difference == 0.0
    assert found.predicted == found.got
