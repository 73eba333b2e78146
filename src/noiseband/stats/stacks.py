"""The effect of a stack of factors, compared with the sum of their effects."""

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
    """Several factors at once, compared with the sum of their effects, in nats."""

    factors: tuple[str, ...]
    runs: int
    """Number of runs with exactly these factors on."""
    main_effects: float | None
    """The sum of the factors' main effects, which additive effects would give. A main effect is an
    average over the other factors and includes a share of its interactions, so the sum over all
    factors is close to the stack's effect however they interact. `alone` and `interaction` do not
    have this flaw."""
    alone: Additivity
    """The stack compared with the sum of its factors' effects one at a time, as in `additivity`:
    only runs of the stack, of single factors and of the baseline count. It has no prediction if
    one of the factors has no run alone."""
    interaction: Estimate
    """The same difference, got minus predicted, from all runs of the design: twice the sum of the
    stack's two-way interactions. Positive if the stack lowers the loss less than predicted. Its
    value is None if one of them is aliased with something outside the sum; it has no interval if
    the design's model leaves no residual degrees of freedom."""


def stacked(
    table: pd.DataFrame,
    design: Design,
    model: Fit,
    asked: Sequence[Collection[str]] | None,
    alpha: float,
) -> tuple[Stack, ...]:
    """A `Stack` for each set of factors in `asked`, or for all factors together if that is None.

    `table` has the columns that `least_squares.fit` takes, with sets of factors named by `label`;
    `model` is the factorial model. Raises ValueError for a set of fewer than two distinct factors
    or with a factor that the design does not have.
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

    With effects E, the model's loss for a set S minus the baseline's is the sum of E_i over S minus
    the sum of E_ij over pairs with exactly one factor in S. Subtracting the same for each single
    factor of S leaves every pair inside S twice. Stacks may share pairs, so that their sums may be
    linearly dependent, which max-t does not allow.
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
