"""Small multiples: the shared parts of charts over the steps of training.

The baseline is a band from the minimum to the maximum of its runs, with their mean. Every
intervention has its own panel, all on the same axes, so that no line hides another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.traces import Binned
from noiseband.report.figures.palette import LIGHT, colour, marker
from noiseband.report.figures.svg import blank, panel, tip
from noiseband.report.figures.training import Line, Training, mean_of
from noiseband.report.sanitize import plain
from noiseband.report.words import counted
from noiseband.study.runs import BASELINE

WIDTH = 920
COLUMNS = 4
LEFT, RIGHT, GAP = 52, 8, 18
HEIGHT, BETWEEN = 96, 40
LONGEST_NAME = 30


def short(name: str) -> str:
    """The name, cut to fit next to or above a panel."""
    name = plain(name)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def grid(names: Sequence[str], above: float) -> tuple[Figure, dict[str, Axes]]:
    """Panels of one size, row by row, below `above` pixels of free space."""
    rows = -(-len(names) // COLUMNS)
    figure = blank(WIDTH, above + rows * (HEIGHT + BETWEEN) + 8)
    width = (WIDTH - LEFT - RIGHT - (COLUMNS - 1) * GAP) / COLUMNS
    panels = {}
    for place, name in enumerate(names):
        row, column = divmod(place, COLUMNS)
        top = above + 22 + row * (HEIGHT + BETWEEN)
        panels[name] = axes = panel(figure, LEFT + column * (width + GAP), top, width, HEIGHT)
        lowest = place + COLUMNS >= len(names)
        axes.tick_params(labelsize=10, labelleft=column == 0, labelbottom=lowest)
    return figure, panels


def heading(axes: Axes, name: str, study: Training, note: str = "") -> None:
    """Draw the group's name with its verdict's colour and shape, and a note at the right."""
    verdict = study.verdicts.get(name, BASELINE)
    place = (5 / axes.bbox.width, 1 + 9 / axes.bbox.height)
    axes.plot(*place, markersize=6, transform=axes.transAxes, **marker(verdict))
    above: dict[str, Any] = {
        "xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False,
    }  # fmt: skip
    axes.annotate(
        short(name), (0, 1), xytext=(14, 5), fontsize=11.5, color=colour(verdict), **above
    )
    axes.annotate(
        note, (1, 1), xytext=(0, 5), fontsize=10, color=LIGHT["muted"], ha="right", **above
    )


def over_steps(axes: Axes, steps: int) -> None:
    """Set up the axis of steps."""
    axes.set_xlim(0, max(1, steps - 1))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def envelope(axes: Axes, series: Sequence[Binned], tint: str) -> PolyCollection | None:
    """Draw the band from the minimum to the maximum of the series that are as long as the first."""
    same = [one for one in series if len(one) == len(series[0])]
    if not same:
        return None
    low = np.fmin.reduce([one.low for one in same])
    high = np.fmax.reduce([one.high for one in same])
    solid = tint == LIGHT["ink"]
    return axes.fill_between(
        same[0].step, low, high, linewidth=0,
        color=LIGHT["band"] if solid else tint, alpha=1 if solid else 0.18,
    )  # fmt: skip


def mean_line(axes: Axes, series: Sequence[Binned], lines: Sequence[Line]) -> None:
    """Draw the mean of the baseline's runs."""
    if series:
        line = axes.plot(series[0].step, mean_of(series), color=LIGHT["ink"], linewidth=1.6)
        tip(line[0], f"mean of {counted(len(series), 'baseline run')}", numbers(lines))


def numbers(lines: Sequence[Line]) -> list[int]:
    """The numbers of these runs in a chart."""
    return [line.number for line in lines]
