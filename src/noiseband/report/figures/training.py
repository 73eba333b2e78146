"""The traces of a study, grouped by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise

import numpy as np

from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.analysis.traces import Binned, Floats, Trace, binned
from noiseband.report.figures.palette import colour
from noiseband.study.runs import BASELINE

LEAST_BINS, MOST_BINS = 24, 160
OTHER_TOKENS = ("continues=", "data.", "batch.sequences=", "batch.ramp.", "model.context=")
"""Beginnings of changes after which a run reads other tokens than the baseline."""
OTHER_MICROBATCH = "batch.microbatch="
POINTS = 6_000
"""Points of all lines of a chart together, which keeps it small for any number of runs."""


@dataclass(frozen=True, eq=False)
class Line:
    """A run's trace."""

    number: int
    """Index among all lines, which identifies the run in a chart."""
    run: str
    intervention: str
    tint: str
    """The colour of its verdict."""
    trace: Trace
    same_tokens: bool
    """Whether it reads the baseline's tokens at every step."""
    twin: bool
    """Whether it has another microbatch than the baseline's runs."""

    @property
    def dash(self) -> str:
        """Dashed for a twin, to tell it from the line that it should coincide with."""
        return "--" if self.twin else "-"


@dataclass(frozen=True, eq=False)
class Training:
    """All runs of a study except repeats, whose lines would hide those of their originals."""

    groups: Mapping[str, tuple[Line, ...]]
    """The baseline, then each intervention, the best first."""
    verdicts: Mapping[str, str]

    @property
    def lines(self) -> list[Line]:
        return [line for group in self.groups.values() for line in group]

    @property
    def baselines(self) -> tuple[Line, ...]:
        return self.groups[BASELINE]

    @property
    def interventions(self) -> list[str]:
        return [name for name in self.groups if name != BASELINE]

    def logs(self, column: str) -> bool:
        """Whether some run of the baseline has a finite value in a column of its trace."""
        return any(np.isfinite(getattr(line.trace, column)).any() for line in self.baselines)

    @property
    def steps(self) -> int:
        return max((line.trace.steps for line in self.lines), default=1)

    def of_same_tokens(self) -> Training:
        """The runs that read the baseline's tokens, whose losses per token can be compared."""
        kept = {
            name: tuple(line for line in lines if line.same_tokens)
            for name, lines in self.groups.items()
        }
        return Training({n: lines for n, lines in kept.items() if lines}, self.verdicts)

    def cut(self, column: str) -> dict[str, Binned]:
        """A column of every run in segments; the more runs, the fewer segments."""
        bins = max(LEAST_BINS, min(MOST_BINS, POINTS // max(1, 3 * len(self.lines))))
        return {line.run: binned(getattr(line.trace, column), bins) for line in self.lines}


def sort_traces(
    runs: Sequence[RunRow], verdicts: Sequence[VerdictRow], traces: Mapping[str, Trace]
) -> Training:
    """The traces of all distinct runs, grouped by arm; `traces` is by run."""
    best_first = sorted(verdicts, key=lambda row: (row.effect is None, row.effect or 0.0))
    calls = {row.intervention: row.verdict for row in verdicts}
    numbers = count()
    return Training(
        {
            name: tuple(
                Line(
                    next(numbers),
                    run.run,
                    name,
                    colour(calls.get(name, BASELINE)),
                    traces[run.run],
                    not any(change.startswith(OTHER_TOKENS) for change in run.changes),
                    any(change.startswith(OTHER_MICROBATCH) for change in run.changes),
                )
                for run in runs
                if run.intervention == name and run.repeat_of is None and run.run in traces
            )
            for name in (BASELINE, *(row.intervention for row in best_first))
        },
        calls,
    )


def mean_of(series: Sequence[Binned]) -> Floats:
    """Mean of the series that are as long as the first; empty for none."""
    same = [one.mean for one in series if len(one) == len(series[0])]
    return np.mean(same, axis=0) if same else np.array([])


def frame(reaches: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Ends of an axis that holds every (minimum, maximum) pair, except a few outliers.

    Starting from the farthest, a pair that reaches more than twice as far as the next is left out;
    at most a quarter of the pairs are. The caller marks what is outside.
    """
    far = sorted((max(abs(low), abs(high)) for low, high in reaches), reverse=True)
    cut = float("inf")
    for larger, smaller in pairwise(far[: len(far) // 4 + 1]):
        if larger > 2 * smaller > 0:
            cut = smaller
    kept = [pair for pair in reaches if max(map(abs, pair)) <= cut]
    low = min((low for low, _ in kept), default=0.0)
    high = max((high for _, high in kept), default=0.0)
    margin = 0.06 * (high - low) or 0.01
    return low - margin, high + margin
