"""Alpha spent over the planned looks at a study that grows.

A study in which every arm has a run on each of the same n seeds is judged at n = first, first + 1,
..., last. Were each look judged at alpha, chance would have several opportunities: with five looks
at one arm, an intervention without an effect is called with probability 0.15 instead of 0.05. So
each look is judged at a lower level, the same for all (Pocock 1977), at which the probability that
any look calls any arm without an effect is alpha.

That level is found by simulation. Let p be the smallest p-value of a look, adjusted for the arms as
`simultaneous` does, and M the smallest p of all looks. The level is the alpha quantile of M where
nothing has an effect, and a p-value that is adjusted for the looks is the probability of an M at
most as large. Neither depends on the sizes of effects, so the intervals of all looks at the level
cover together with probability 1 - alpha (repeated confidence intervals: Jennison and Turnbull
1989), however it is decided when to stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from noiseband.stats.least_squares import Floats
from noiseband.stats.maxt import tail_probability

STUDIES_LOG2 = 19
"""Simulated studies; the rate at the level is alpha up to a standard error of 0.0003."""
BLOCK = 2**22
"""Numbers drawn at once, at most, unless a study has more."""
GRID = np.concatenate([np.linspace(0.0, 10.0, 401), np.geomspace(10.5, 1e9, 100)])
"""Values of the largest t between which p-values are interpolated."""
FEWEST = 2
"""Seeds of the first look, at least: from one seed nobody can tell how far runs scatter."""


@dataclass(frozen=True)
class Looks:
    """Planned looks at a study of several arms on the same seeds.

    Raises ValueError for numbers of which there is no such study.
    """

    arms: int
    """Number of arms without the baseline."""
    first: int
    """Seeds of each arm at the first look."""
    last: int
    """Seeds of each arm at the last look, if nothing is decided before."""

    def __post_init__(self) -> None:
        if self.arms < 1 or not FEWEST <= self.first <= self.last:
            raise ValueError(
                f"no looks at {self.arms} arms with {self.first} to {self.last} seeds: there must "
                f"be an arm, and {FEWEST} seeds or more at the first look"
            )

    def level(self, alpha: float = 0.05) -> float:
        """The level of each look, at which all looks together have the error rate `alpha`."""
        if self.first == self.last:
            return alpha
        # Never above alpha, which simulation could say for looks that hardly differ.
        return min(alpha, float(np.quantile(self._smallest, alpha, method="lower")))

    def adjusted(self, p_value: float) -> float:
        """The p-value of a look, which is adjusted for the arms, adjusted for all looks as well."""
        if self.first == self.last:
            return p_value
        smaller = int(np.searchsorted(self._smallest, p_value, side="right"))
        return max(p_value, (1 + smaller) / (1 + len(self._smallest)))

    @cached_property
    def _smallest(self) -> Floats:
        return _smallest_p_values(self.arms, self.first, self.last)


@cache
def _smallest_p_values(arms: int, first: int, last: int) -> Floats:
    """M of simulated studies without effects, sorted, shape (2^STUDIES_LOG2,)."""
    correlation = np.full((arms, arms), 0.5) + 0.5 * np.eye(arms)
    looks = range(first, last + 1)
    tails = [
        np.array([tail_probability(t, correlation, arms * (seeds - 1)) for t in GRID[1:]])
        for seeds in looks
    ]
    logs = [np.log(np.maximum([1.0, *tail], 1e-300)) for tail in tails]
    found = []
    for block in _studies(arms, last):
        largest = largest_t(block, first)
        each = [np.interp(t, GRID, log) for t, log in zip(largest, logs, strict=True)]
        found.append(np.exp(np.min(each, axis=0)))
    smallest = np.sort(np.concatenate(found))
    smallest.flags.writeable = False
    return smallest


def _studies(arms: int, seeds: int) -> Iterator[Floats]:
    """Simulated losses without effects, in blocks of shape (studies, seeds, 1 + arms).

    The scatter of seeds is left out, since it cancels where all arms have the same seeds.
    """
    rng = np.random.default_rng(0)
    left = 2**STUDIES_LOG2
    while left:
        count = min(left, max(1, BLOCK // (seeds * (1 + arms))))
        yield rng.standard_normal((count, seeds, 1 + arms))
        left -= count


def largest_t(losses: Floats, first: int) -> Iterator[Floats]:
    """The largest |t| of the arms at each look, from the first on, each of shape (studies,).

    Args:
        losses: shape (studies, seeds, 1 + arms), the baseline first. The arms are compared with it
            in the two-way analysis of arms and seeds, whose rest has arms x (n - 1) degrees of
            freedom at n seeds.
        first: number of seeds of the first look.
    """
    centred = losses - losses.mean(axis=2, keepdims=True)
    sums, squares = centred.cumsum(axis=1), np.square(centred).sum(axis=2).cumsum(axis=1)
    arms = losses.shape[2] - 1
    for seeds in range(first, losses.shape[1] + 1):
        means = sums[:, seeds - 1] / seeds
        rest = squares[:, seeds - 1] - seeds * np.square(means).sum(axis=1)
        error = np.sqrt(rest / (arms * (seeds - 1)) * 2.0 / seeds)
        effects: Floats = np.abs(means[:, 1:] - means[:, :1]).max(axis=1)
        yield effects / error
