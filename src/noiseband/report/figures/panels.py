"""Small multiples: what charts over the steps of training share.

The baseline is a band from the least to the greatest of its runs, with their mean. Every
intervention has a panel of its own, all on the same axes, so that no line hides another.
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
    """A name that fits beside or above a panel."""
    name = plain(name)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def grid(names: Sequence[str], above: float) -> tuple[Figure, dict[str, Axes]]:
    """Panels of one size, row by row, under so many pixels that stay free."""
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
    """The group's name with its verdict's colour and shape, and a note at the right."""
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
    """The axis of steps."""
    axes.set_xlim(0, max(1, steps - 1))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def envelope(axes: Axes, series: Sequence[Binned], tint: str) -> PolyCollection | None:
    """The band between the least and the greatest value of series of one length."""
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
    """The mean of the baseline's runs, whose lines these are."""
    if series:
        line = axes.plot(series[0].step, mean_of(series), color=LIGHT["ink"], linewidth=1.6)
        tip(line[0], f"mean of {counted(len(series), 'baseline run')}", numbers(lines))


def numbers(lines: Sequence[Line]) -> list[int]:
    """What a chart calls these runs."""
    return [line.number for line in lines]
