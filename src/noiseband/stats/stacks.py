"""What would a stack of factors get if effects were additive, and what did it get?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from noiseband.stats.additivity import Additivity, additivity
from noiseband.stats.design import Design, label
from noiseband.stats.least_squares import Fit
from noiseband.stats.simultaneous import Estimate, estimates


@dataclass(frozen=True)
class Stack:
    """Several factors at once against what they promise one by one, in nats."""

    factors: tuple[str, ...]
    runs: int
    """Runs with these factors on and no other."""
    main_effects: float | None
    """The sum of the factors' main effects: what additive effects would give. But a main effect is
    an average over the other factors and so holds a share of its interactions: for all factors
    together the sum comes near what they got, however they interact. `alone` and `interaction` do
    not."""
    alone: Additivity
    """Against the sum of the factors' effects one at a time, as in `additivity`: only runs of the
    stack, of single factors and of the baseline have a say. Without a prediction where
    one of its factors has no run alone."""
    interaction: Estimate
    """The same difference, got less predicted, from all runs of the design: twice the sum of the
    stack's two-way interactions. Positive when the stack gets less of a lower loss than promised.
    Its value is None where one of them is aliased with something outside the sum; it has no
    interval where the design's model leaves no residual degrees of freedom."""


def stacked(
    table: pd.DataFrame,
    design: Design,
    model: Fit,
    asked: Sequence[Collection[str]] | None,
    alpha: float,
) -> tuple[Stack, ...]:
    """A `Stack` for each set of factors asked for, or for all factors together.

    `table` has the columns that `least_squares.fit` takes, with sets of factors named by `label`;
    `model` is the factorial one. Raises ValueError for a set of fewer than two distinct factors or
    with one that the design does not have.
    """
    sets = []
    for names in [design.factors] if asked is None else asked:
        unknown = sorted(set(names) - set(design.factors))
        if unknown or len(set(names)) < 2:
            raise ValueError(f"a stack needs two or more factors of the design: {sorted(names)}")
        sets.append(tuple(factor for factor in design.factors if factor in names))
    counts = table["intervention"].value_counts()
    whole = {label(parts): parts for parts in sets}
    alone = {found.stack: found for found in additivity(table, whole, alpha)}
    return tuple(
        Stack(
            factors=parts,
            runs=int(counts.get(label(parts), 0)),
            main_effects=_sum_of_main_effects(design, model, parts),
            alone=alone[label(parts)],
            interaction=_interaction(design, model, parts, alpha, len(whole)),
        )
        for parts in sets
    )


def _sum_of_main_effects(design: Design, model: Fit, parts: Sequence[str]) -> float | None:
    leads = [group[0] for group in design.aliases]
    return model.effect(
        {t.letters: 1.0 for t in leads if len(t.factors) == 1 and t.factors[0] in parts}
    )


def _interaction(
    design: Design, model: Fit, parts: Sequence[str], alpha: float, family: int
) -> Estimate:
    """Twice the sum of two-way interactions inside a stack; intervals by Bonferroni over stacks.

    With effects E, the model's loss of a set S less the baseline's is the sum of E_i over S less
    that of E_ij over pairs with one factor in S. From that of all of S take those of its single
    factors: every pair inside S is left twice. Stacks may hold each other's pairs, so their sums
    may depend on each other, which max-t does not take.
    """
    contrast = {}
    for group in design.aliases:
        inside = [len(t.factors) == 2 and set(t.factors) <= set(parts) for t in group]
        if any(inside):
            if not all(inside) or any(term.sign < 0 for term in group):
                return Estimate()
            contrast[group[0].letters] = 2.0
    (found,) = estimates(model, [contrast], alpha / family)
    if found.p_value is None:
        return found
    return replace(found, p_value=min(1.0, family * found.p_value))
