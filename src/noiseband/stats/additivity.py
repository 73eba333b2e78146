"""Does a stack of interventions get what they promise one by one?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from noiseband.stats.least_squares import fit
from noiseband.stats.simultaneous import estimates


@dataclass(frozen=True)
class Additivity:
    """A stack against the sum of its parts, in nats. What the runs cannot give is None."""

    stack: str
    parts: tuple[str, ...]
    predicted: float | None
    """Sum of the parts' own effects: what the stack would get if effects were additive."""
    got: float | None
    """The stack's own effect."""
    difference: float | None
    """got - predicted; positive when the stack got less of a lower loss than promised."""
    low: float | None
    """Lower end of the difference's interval. All stacks' intervals cover together."""
    high: float | None
    p_value: float | None
    """Adjusted for all stacks asked about; small when the effects are not additive."""
    degrees_of_freedom: int
    se: float | None


def additivity(
    runs: pd.DataFrame, stacks: Mapping[str, Sequence[str]], alpha: float = 0.05
) -> list[Additivity]:
    """For each stack (an intervention) and its parts (interventions run alone): sum against whole.

    `runs` as for `verdicts.verdicts`: the baseline, the stacks and their parts must be in it. The
    difference is a contrast of the same model, stack - sum of parts, with simultaneous intervals
    over the stacks. It is noisier than any single effect: for k parts of one run each, its variance
    is k + 1 times the residual variance, plus (k - 1)^2 times that of the baseline's mean.

    Raises ValueError for an intervention that has no run, a stack with fewer than two distinct
    parts or with itself among them, and for what `verdicts.verdicts` raises.
    """
    for stack, parts in stacks.items():
        if len(set(parts)) < 2 or len(set(parts)) < len(parts) or stack in parts:
            raise ValueError(f"stack {stack!r} needs two or more distinct parts: {list(parts)}")
    model = fit(runs)
    contrasts = [{stack: 1.0} | dict.fromkeys(parts, -1.0) for stack, parts in stacks.items()]
    found = estimates(model, contrasts, alpha)
    return [
        Additivity(
            stack=stack,
            parts=tuple(parts),
            predicted=model.effect(dict.fromkeys(parts, 1.0)),
            got=model.effect({stack: 1.0}),
            difference=estimate.value,
            low=estimate.low,
            high=estimate.high,
            p_value=estimate.p_value,
            degrees_of_freedom=model.degrees_of_freedom,
            se=estimate.se,
        )
        for (stack, parts), estimate in zip(stacks.items(), found, strict=True)
    ]
