"""Training traces, and their reduction to a few points that keeps every spike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from noiseband.errors import NotMadeError
from noiseband.io.series import Series, read_series
from noiseband.io.traces import read_table
from noiseband.study.command_params import RESULT

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
SPIKE = 3.0
"""A segment is a spike if its extremes are this many times as far from its mean as usual."""


@dataclass(frozen=True, eq=False)
class Trace:
    """The drawn columns of a run's `trace.parquet`, with an entry for each step from 0."""

    loss: Floats
    learning_rate: Floats
    gradient_norm: Floats
    clipped: Bools
    skipped: Bools
    muon_learning_rate: Floats | None = None
    """None if the run has no Muon."""

    @property
    def steps(self) -> int:
        return len(self.loss)


def read_trace(path: Path) -> Trace:
    """Read the trace of a run; raises UserError if it is missing or not a trace."""
    try:
        if (path.parent / RESULT).exists():
            return _of_command(*read_series(path))
        table = read_table(path)
    except FileNotFoundError as error:
        raise NotMadeError(path) from error
    drawn = [name for name in Trace.__dataclass_fields__ if name in table.column_names]
    return Trace(**{name: table[name].to_numpy() for name in drawn})


def _of_command(steps: list[int], series: Series) -> Trace:
    """The trace of a command's run. Between two logged steps, values are on a straight line."""
    every = np.arange(steps[-1] + 1)

    def filled(column: str) -> Floats:
        values = np.array(series.get(column, [math.nan] * len(steps)), dtype=np.float64)
        found = np.interp(every, steps, values, left=math.nan)
        found[steps] = values  # NaN would spread over the neighbours
        return found

    no = np.zeros(len(every), dtype=np.bool_)
    return Trace(filled("loss"), filled("learning_rate"), filled("gradient_norm"), no, no)


def final_loss(trace: Trace) -> float:
    """Mean training loss over the last 5% of the steps, at least one step; NaN if a loss among them
    is not finite."""
    last = trace.loss[-max(1, round(trace.steps * 0.05)) :]
    if not np.isfinite(last).all():
        return math.nan
    # Use fsum, because numpy's order of additions depends on the processor.
    return math.fsum(last.tolist()) / len(last)


@dataclass(frozen=True, eq=False)
class Binned:
    """A series in segments of equal length; every extreme is in `low` or `high`."""

    step: Floats
    """Middle of each segment."""
    mean: Floats
    low: Floats
    high: Floats

    def __len__(self) -> int:
        return len(self.step)


def edges(steps: int, bins: int) -> npt.NDArray[np.int64]:
    """The first step of each segment, then the end; at most `bins` segments, none of them empty."""
    return np.linspace(0, steps, min(steps, bins) + 1).round().astype(np.int64)


def binned(values: Floats, bins: int) -> Binned:
    """Cut a series into segments without its non-finite values; a segment with no others is NaN."""
    cuts = edges(len(values), bins)
    parts = [values[start:stop] for start, stop in pairwise(cuts)]
    finite = [part[np.isfinite(part)] for part in parts]
    return Binned(
        step=(cuts[:-1] + cuts[1:] - 1) / 2,
        mean=np.array([part.mean() if len(part) else np.nan for part in finite]),
        low=np.array([part.min() if len(part) else np.nan for part in finite]),
        high=np.array([part.max() if len(part) else np.nan for part in finite]),
    )


def spikes(series: Binned) -> Bools:
    """Which segments have an extreme more than `SPIKE` times as far from the mean as the median."""
    reach = np.fmax(series.high - series.mean, series.mean - series.low)
    known = reach[np.isfinite(reach)]
    return reach > SPIKE * np.median(known) if len(known) else np.isfinite(reach)


def segments(marks: Bools, bins: int) -> list[tuple[float, float]]:
    """(first step, length) of the segments with at least one mark; neighbours are joined."""
    cuts = edges(len(marks), bins)
    found: list[tuple[float, float]] = []
    for start, stop in pairwise(cuts.tolist()):
        if not marks[start:stop].any():
            continue
        if found and sum(found[-1]) == start:
            found[-1] = (found[-1][0], stop - found[-1][0])
        else:
            found.append((start, stop - start))
    return found
