"""How many more runs of the baseline a study needs before it can say anything."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noiseband.stats.maxt import critical_value

GAIN = 0.1
"""Another run of the baseline is worth its price if it narrows the intervals by this share."""


@dataclass(frozen=True)
class Repeats:
    """The intervals that a number of baseline runs would give."""

    runs: int
    half_width: float
    """Half the widest simultaneous interval, in SDs of single runs."""


def repeats(arms: Sequence[int], runs: int, alpha: float = 0.05) -> Repeats:
    """Intervals of a study with `runs` runs of the baseline and `arms` of each intervention.

    These are Dunnett's intervals without seed blocks: half the interval of an arm of n runs is
    c sqrt(1/n + 1/m) SDs for m runs of the baseline, and the correlation of two arms is
    sqrt(n_i / (n_i + m)) sqrt(n_j / (n_j + m)) (Dunnett 1955). Raises ValueError if no degrees of
    freedom are left.
    """
    sizes = np.array(arms, dtype=np.float64)
    degrees_of_freedom = int(sizes.sum()) - len(sizes) + runs - 1
    if degrees_of_freedom < 1:
        raise ValueError("no run is repeated: there are no degrees of freedom")
    loading = np.sqrt(sizes / (sizes + runs))
    correlation = np.outer(loading, loading)
    np.fill_diagonal(correlation, 1.0)
    scale = np.sqrt(1 / sizes.min() + 1 / runs)
    return Repeats(runs, critical_value(alpha, correlation, degrees_of_freedom) * float(scale))


def enough_repeats(arms: Sequence[int], alpha: float = 0.05) -> Repeats:
    """The fewest runs of the baseline, at least 2, after which one more gains less than `GAIN`."""
    now = repeats(arms, 2, alpha)
    while True:
        after = repeats(arms, now.runs + 1, alpha)
        if after.half_width > (1 - GAIN) * now.half_width:
            return now
        now = after
