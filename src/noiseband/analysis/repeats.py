"""How many more runs of the baseline a study needs if no recipe was run twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.inference import usable
from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.repeats import enough_repeats, repeats


@dataclass(frozen=True)
class MoreRepeats:
    """Runs of the baseline to add, and the resulting half-width in SDs of a single run."""

    more: int
    """Number of runs to add: at least one, and as long as one more is worth its price."""
    half_width: float
    """Half the widest interval after these runs."""
    half_width_with_one: float
    """Half the widest interval after one more run."""


def more_repeats(
    runs: Sequence[RunRow], verdicts: Sequence[VerdictRow], alpha: float
) -> MoreRepeats | None:
    """The runs to add; None if some recipe was run twice or there is nothing to compare."""
    there = [row.intervention for row in usable(runs)]
    arms = [row.runs for row in verdicts if row.runs]
    if not there or not arms or any(row.degrees_of_freedom for row in verdicts):
        return None
    have = there.count(BASELINE)
    least = repeats(arms, have + 1, alpha)
    enough = enough_repeats(arms, alpha)
    if enough.runs <= have:
        enough = least
    return MoreRepeats(enough.runs - have, enough.half_width, least.half_width)
