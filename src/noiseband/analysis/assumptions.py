"""Whether the runs are as the intervals take them to be: of equal scatter, on shared seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.inference import usable
from noiseband.analysis.rows import RunRow
from noiseband.stats.least_squares import BASELINE


@dataclass(frozen=True)
class Uneven:
    """One intervention gives most of the scatter behind all intervals."""

    intervention: str
    share: float
    """Of the squared residuals of all runs."""
    spread: float
    """Nats: greatest difference between its runs, their seeds taken into account."""
    baseline_spread: float
    """The same of the baseline's runs."""


def uneven_scatter(runs: Sequence[RunRow]) -> Uneven | None:
    """The intervention that more than half of the scatter comes from, if one does.

    The intervals rest on one variance for all. Where one intervention's runs are far apart, it is
    too large for the others.
    """
    squares: dict[str, float] = {}
    for run in runs:
        squares[run.intervention] = squares.get(run.intervention, 0.0) + (run.residual or 0.0) ** 2
    total = math.fsum(squares.values())
    name = max(squares, key=lambda intervention: squares[intervention])
    if name == BASELINE or squares[name] <= total / 2:
        return None
    return Uneven(name, squares[name] / total, _spread(runs, name), _spread(runs, BASELINE))


def _spread(runs: Sequence[RunRow], intervention: str) -> float:
    residuals = [run.residual for run in runs if run.intervention == intervention]
    known = [residual for residual in residuals if residual is not None]
    return max(known, default=0.0) - min(known, default=0.0)


def on_seeds_of_their_own(runs: Sequence[RunRow]) -> list[str]:
    """Interventions that share no seeds with any other arm, where the model has blocks.

    Blocks take the seeds' scatter out of all other comparisons and so out of the one variance;
    theirs keep it (see `stats/least_squares.py`).
    """
    counted_in = usable(runs)
    pairs: dict[tuple[int, int], set[str]] = {}
    for run in counted_in:
        pairs.setdefault((run.init_seed, run.train_seed), set()).add(run.intervention)
    shared = {pair for pair, arms in pairs.items() if len(arms) > 1}
    if len(shared) < 2:
        return []
    inside = {run.intervention for run in counted_in if (run.init_seed, run.train_seed) in shared}
    names = dict.fromkeys(run.intervention for run in counted_in)
    return [name for name in names if name not in inside | {BASELINE}]
