"""The chart of where in the context a run is better or worse than the baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.rows import PositionRow
from noiseband.analysis.traces import Floats
from noiseband.report.figures.palette import LIGHT
from noiseband.report.figures.panels import grid, heading, numbers
from noiseband.report.figures.svg import shows, tip
from noiseband.report.figures.training import Training, frame
from noiseband.report.words import signed
from noiseband.study.runs import BASELINE


def draw_positions(study: Training, rows: Sequence[PositionRow]) -> Figure:
    """Draw a panel for each arm with the test loss minus the baseline's mean.

    A run with other segments of the context than the baseline's cannot be compared; its panel says
    so.
    """
    segments: dict[str, list[tuple[int, int]]] = {}
    losses: dict[str, list[float]] = {}
    for row in rows:
        segments.setdefault(row.run, []).append((row.first, row.last))
        losses.setdefault(row.run, []).append(row.loss)
    own = [line.run for line in study.baselines if line.run in losses]
    figure, panels = grid(list(study.groups), above=6)
    if not own:
        return figure
    cut = segments[own[0]]
    middle = np.array([(first + last) / 2 for first, last in cut])
    same = [run for run in own if segments[run] == cut]
    mean: Floats = np.mean([losses[run] for run in same], axis=0)
    differences = {
        run: np.array(values) - mean for run, values in losses.items() if segments[run] == cut
    }
    low, high = frame([(float(v.min()), float(v.max())) for v in differences.values()])
    band = np.array([differences[run] for run in same])
    for name, axes in panels.items():
        lines = study.groups[name]
        shows(axes, numbers(lines))
        axes.fill_between(
            middle, band.min(axis=0), band.max(axis=0), color=LIGHT["band"], linewidth=0
        )
        axes.axhline(0, color=LIGHT["ink"], linewidth=1)
        outside: list[float] = []
        for line in lines:
            if line.run not in differences:
                continue
            drawn = axes.plot(
                middle, differences[line.run], color=line.tint, linestyle=line.dash,
                linewidth=0.8 if name == BASELINE else 1.3,
            )  # fmt: skip
            tip(drawn[0], line.run, [line.number])
            if differences[line.run].max() > high:
                outside.append(float(differences[line.run].mean()))
        axes.set_ylim(low, high)
        _over_positions(axes, cut[-1][1])
        compared = any(line.run in differences for line in lines)
        note = f"about {signed(max(outside), 2)} ↑" if outside else ""
        heading(axes, name, study, note if compared or not lines else "another context")
    return figure


def _over_positions(axes: Axes, last: int) -> None:
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_locator(MaxNLocator(3))
