"""Is the effect of a stack of interventions the sum of their effects?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from noiseband.stats.family import family, weights
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.pool import Pooled, pooled
from noiseband.stats.simultaneous import Estimate


@dataclass(frozen=True)
class Additivity:
    """A stack compared with the sum of its parts, in nats; None for what the runs do not give."""

    stack: str
    parts: tuple[str, ...]
    missing_parts: tuple[str, ...]
    """Parts without a run of their own that shares the other arms' variance; if there are any,
    nothing is predicted."""
    predicted: float | None = None
    """Sum of the parts' own effects: the stack's effect if effects were additive."""
    got: float | None = None
    """The stack's own effect."""
    difference: float | None = None
    """got - predicted; positive if the stack lowers the loss less than predicted."""
    low: float | None = None
    """Lower end of the difference's interval. The intervals hold for all stacks at once."""
    high: float | None = None
    p_value: float | None = None
    """Adjusted for all stacks compared; small when the effects are not additive."""
    se: float | None = None
    degrees_of_freedom: int | None = None
    """Residual degrees of freedom of the model; None unless the stack and its parts have runs."""


def additivity(
    runs: pd.DataFrame, stacks: Mapping[str, Sequence[str]], alpha: float = 0.05
) -> list[Additivity]:
    """Compare each stack (an intervention) with the sum of its parts (interventions run alone).

    `runs` is as for `verdicts.verdicts`. A stack without a run, or with a part without one, is not
    compared and does not count in the family; only its own effect is given. The difference is a
    contrast of the same model, stack - sum of parts, with simultaneous intervals over the stacks.
    It is noisier than any single effect: for k parts of one run each, its variance is k + 1 times
    the residual variance, plus (k - 1)^2 times that of the baseline's mean.

    Raises ValueError if a stack that is compared has fewer than two distinct parts or is one of
    its own parts, and as `verdicts.verdicts` does.
    """
    found = pooled(runs)
    known = {*found.model.arms, *found.same_as} - {BASELINE}
    whole = {stack: parts for stack, parts in stacks.items() if {stack, *parts} <= known}
    for stack, parts in whole.items():
        if len(set(parts)) < 2 or len(set(parts)) < len(parts) or stack in parts:
            raise ValueError(f"stack {stack!r} needs two or more distinct parts: {list(parts)}")
    contrasts = [
        found.resolved({stack: 1.0} | dict.fromkeys(parts, -1.0)) for stack, parts in whole.items()
    ]
    # A stack may equal the sum of its parts because all of them are the same runs.
    tested = [contrast for contrast in contrasts if contrast]
    together = family(found.model, tested, alpha)
    each = iter(together.estimates)
    estimate = {
        stack: next(each) if contrast else Estimate(0.0)
        for stack, contrast in zip(whole, contrasts, strict=True)
    }
    freedom = together.degrees_of_freedom
    return [
        _additivity(found, stack, parts, estimate.get(stack), freedom)
        for stack, parts in stacks.items()
    ]


def _additivity(
    found: Pooled, stack: str, parts: Sequence[str], estimate: Estimate | None, freedom: int
) -> Additivity:
    known = {*found.model.arms, *found.same_as} - {BASELINE}
    got = _effect(found, [stack]) if stack in known else None
    if estimate is None:
        missing = tuple(part for part in parts if part not in known)
        return Additivity(stack, tuple(parts), missing, got=got)
    return Additivity(
        stack=stack,
        parts=tuple(parts),
        missing_parts=(),
        predicted=_effect(found, parts),
        got=got,
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        se=estimate.se,
        degrees_of_freedom=freedom,
    )


def _effect(found: Pooled, names: Sequence[str]) -> float:
    """The sum of the estimated effects of some interventions."""
    contrast = found.resolved(dict.fromkeys(names, 1.0))
    return float(found.model.value(weights(found.model, [contrast]))[0])
