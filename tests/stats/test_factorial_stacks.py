"""Stacks in a factorial design: their effects compared with the sum of their parts."""

from collections.abc import Mapping

import pytest

from noiseband.stats.additivity import additivity
from noiseband.stats.design import Design, design
from noiseband.stats.factorial import factorial
from tests.stats.factorial_runs import drawn, once


def made_of(plan: Design, alone: Mapping[str, float], pairs: Mapping[str, float]) -> list[float]:
    """Losses from what factors do alone and what two of them add, with off 0 and on 1."""
    return [
        3.7
        + sum(alone[f] for f in on)
        + sum(value for pair, value in pairs.items() if set(pair) <= set(on))
        for on in plan.runs
    ]


ALONE = {"a": -0.09, "b": -0.05, "c": -0.03, "d": 0.01, "e": 0.02, "f": 0.0}
PAIRS = {"ab": 0.04, "bc": 0.02, "de": -0.01, "af": 0.03}


def test_a_stack_gets_less_than_its_parts_promise() -> None:
    plan = design([*"abc"])
    runs = once(plan, made_of(plan, ALONE, PAIRS))
    whole, pair = factorial(runs, plan, stacks=[("c", "b", "a"), ("a", "b")]).stacks
    assert whole.factors == ("a", "b", "c")
    assert whole.alone.got == pytest.approx(-0.17 + 0.06)
    assert whole.alone.predicted == pytest.approx(-0.17)
    assert whole.alone.difference == pytest.approx(0.06)
    assert whole.interaction.value == pytest.approx(0.06)
    # The trap: main effects, averaged over the other factors, add up to the stack's effect.
    assert whole.main_effects == pytest.approx(whole.alone.got)
    assert pair.alone.got == pytest.approx(-0.14 + 0.04)
    assert pair.interaction.value == pytest.approx(0.04)
    assert pair.alone.difference == pytest.approx(0.04)
    # Half of what b and c add to each other.
    assert pair.main_effects == pytest.approx(-0.14 + 0.04 + 0.01)


def test_all_factors_are_the_stack_unless_told() -> None:
    plan = design([*"abc"])
    runs = drawn(plan, [(1, 1), (2, 2), (3, 3)])
    (stack,) = factorial(runs, plan).stacks
    assert (stack.factors, stack.runs) == (("a", "b", "c"), 3)
    labels = ["+".join(on) or "baseline" for on in runs["interventions"]]
    assert stack.alone.difference == pytest.approx(
        additivity(runs.assign(intervention=labels), {"a+b+c": "abc"})[0].difference
    )
    # The factorial model uses every run and so has the narrower interval.
    assert stack.interaction.half_width < stack.alone.high - stack.alone.difference


def test_a_fraction_without_single_runs_predicts_by_its_interactions() -> None:
    """The half of five factors has an even number of them on in every run."""
    plan = design([*"abcde"], 1)
    runs = once(plan, made_of(plan, ALONE, PAIRS))
    (stack,) = factorial(runs, plan).stacks
    assert (stack.runs, stack.alone.got, stack.alone.predicted) == (0, None, None)
    assert stack.alone.missing_parts == tuple("abcde")
    assert stack.interaction.value == pytest.approx(0.05)
    assert stack.interaction.low is None


def test_aliased_interactions_are_no_prediction_but_in_sum() -> None:
    plan = design([*"abcdef"], 2)
    runs = once(plan, made_of(plan, ALONE, PAIRS))
    whole, pair = factorial(runs, plan, stacks=["abcdef", "ab"]).stacks
    # Resolution IV: every group of aliases is inside the stack of all, but not inside a pair.
    assert whole.interaction.value == pytest.approx(sum(PAIRS.values()))
    assert pair.interaction.value is None
    assert pair.main_effects is not None
    third = design([*"abcde"], 2)
    (stack,) = factorial(once(third, made_of(third, ALONE, PAIRS)), third).stacks
    assert stack.interaction.value is None


def test_stacks_are_one_family() -> None:
    plan = design([*"abc"])
    runs = drawn(plan, [(1, 1), (2, 2)])
    (one,) = factorial(runs, plan, stacks=["ab"]).stacks
    # The last holds the pairs of the first three.
    many = factorial(runs, plan, stacks=["ab", "ac", "bc", "abc"]).stacks
    assert many[0].interaction.value == one.interaction.value
    assert many[0].interaction.half_width > one.interaction.half_width
    assert many[0].interaction.p_value == pytest.approx(min(1, 4 * one.interaction.p_value))
    assert many[0].alone.high > one.alone.high
