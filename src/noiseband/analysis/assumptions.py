"""Whether the runs meet the intervals' assumptions: equal scatter and shared seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.inference import usable
from noiseband.analysis.rows import RunRow
from noiseband.stats.least_squares import BASELINE
from noiseband.study.seeds import RunSeeds


@dataclass(frozen=True)
class Uneven:
    """An intervention that causes most of the scatter behind all intervals."""

    intervention: str
    share: float
    """Its share of the squared residuals of all runs."""
    spread: float
    """Largest difference between its runs, in nats, with their seeds taken into account."""
    baseline_spread: float
    """The same for the baseline's runs."""


def uneven_scatter(runs: Sequence[RunRow]) -> Uneven | None:
    """The intervention that causes more than half of the scatter, or None.

    All intervals use one variance. If one intervention's runs are far apart, the variance is too
    large for the others.
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
    """Interventions that share no seeds with any other arm; empty if the model has no blocks.

    Blocks remove the seeds' scatter from all other comparisons and so from the shared variance,
    but not from the comparisons of these interventions (see `stats/least_squares.py`).
    """
    counted_in = usable(runs)
    arms_on: dict[RunSeeds, set[str]] = {}
    for run in counted_in:
        arms_on.setdefault(run.seeds, set()).add(run.intervention)
    shared = {seeds for seeds, arms in arms_on.items() if len(arms) > 1}
    if len(shared) < 2:
        return []
    inside = {run.intervention for run in counted_in if run.seeds in shared}
    names = dict.fromkeys(run.intervention for run in counted_in)
    return [name for name in names if name not in inside | {BASELINE}]
