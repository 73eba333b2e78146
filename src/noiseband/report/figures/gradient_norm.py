"""The chart of the gradient's norm by step, with clipped and skipped steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from noiseband.analysis.traces import segments
from noiseband.report.figures.palette import LIGHT
from noiseband.report.figures.panels import (
    envelope,
    grid,
    heading,
    mean_line,
    numbers,
    over_steps,
)
from noiseband.report.figures.svg import shows, tip
from noiseband.report.figures.training import Line, Training
from noiseband.report.words import counted
from noiseband.study.runs import BASELINE

MARK_BINS = 200


def draw_gradient_norm(study: Training) -> Figure:
    """Draw a panel for each arm with the range and mean of the norm before clipping.

    A strip at the bottom marks clipped steps, and crosses at the top mark skipped steps.
    """
    norms = study.cut("gradient_norm")
    figure, panels = grid(list(study.groups), above=6)
    ends = [end for one in norms.values() for end in (*one.low, *one.high)]
    finite = [end for end in ends if np.isfinite(end) and end > 0]
    low, high = (min(finite), max(finite)) if finite else (0.1, 10.0)
    room = (high / low) ** 0.15 * 1.1
    few_decades = high / low < 10
    for name, axes in panels.items():
        lines = study.groups[name]
        shows(axes, numbers(lines))
        series = [norms[line.run] for line in lines]
        axes.set_yscale("log")
        axes.set_ylim(low / room, high * room)
        envelope(axes, series, lines[0].tint if lines else LIGHT["muted"])
        if name == BASELINE:
            mean_line(axes, series, lines)
        else:
            for line, one in zip(lines, series, strict=True):
                drawn = axes.plot(
                    one.step, one.mean, color=line.tint, linewidth=1, linestyle=line.dash
                )
                tip(drawn[0], line.run, [line.number])
        axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if few_decades else (1,)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
        over_steps(axes, study.steps)
        heading(axes, name, study, _marks(axes, lines))
    return figure


def _marks(axes: Axes, lines: Sequence[Line]) -> str:
    """Draw the marks and return a text with their totals."""
    steps = sum(line.trace.steps for line in lines)
    clipped = sum(int(line.trace.clipped.sum()) for line in lines)
    skipped = sum(int(line.trace.skipped.sum()) for line in lines)
    by_share = axes.get_xaxis_transform()
    for line in lines:
        if line.trace.clipped.any():
            strip = axes.broken_barh(
                segments(line.trace.clipped, MARK_BINS), (0, 0.05), color=LIGHT["ink"],
                linewidth=0, transform=by_share,
            )  # fmt: skip
            shows(strip, [line.number])
        if line.trace.skipped.any():
            where = [start for start, _ in segments(line.trace.skipped, MARK_BINS)]
            cross = axes.plot(
                where, [0.92] * len(where), "x", color=LIGHT["ink"], markersize=5,
                markeredgewidth=1.2, transform=by_share, clip_on=False,
            )  # fmt: skip
            skips = counted(int(line.trace.skipped.sum()), "skipped step")
            tip(cross[0], f"{line.run}: {skips}", [line.number])
    notes = [f"clipped {clipped / steps:.0%}"] if clipped else []
    return ", ".join([*notes, f"skipped {skipped:,}"] if skipped else notes)
