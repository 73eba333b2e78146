"""The chart of training loss: all runs together, and each arm compared with the baseline's mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.traces import Binned, Floats, spikes
from noiseband.report.figures.palette import LIGHT
from noiseband.report.figures.panels import (
    LEFT,
    RIGHT,
    WIDTH,
    envelope,
    grid,
    heading,
    mean_line,
    numbers,
    over_steps,
)
from noiseband.report.figures.svg import panel, shows, tip
from noiseband.report.figures.training import Training, frame, mean_of
from noiseband.report.words import signed
from noiseband.study.runs import BASELINE

OVERVIEW = 250
_UP, _DOWN = (0.94, "top", "↑"), (0.06, "bottom", "↓")


def draw_loss(study: Training) -> Figure:
    """Draw all losses at the top and each run's difference from the baseline's mean below.

    At each step the runs read the same tokens, so the difference cancels the luck of the batch,
    which is larger than most effects. A run that reads other tokens has no difference.
    """
    losses = study.cut("loss")
    figure, panels = grid(list(study.groups), above=OVERVIEW + 62)
    _overview(panel(figure, LEFT, 12, WIDTH - LEFT - RIGHT, OVERVIEW), study, losses)
    baselines = [losses[line.run] for line in study.baselines]
    centre = mean_of(baselines)
    steps = {line.trace.steps for line in study.baselines[:1]}
    differences = {
        line.run: losses[line.run].mean - centre
        for line in study.lines
        if line.same_tokens and line.trace.steps in steps
    }
    low, high = _frame(differences)
    for name, axes in panels.items():
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        _differences(axes, name, study, losses, differences)
        over_steps(axes, study.steps)
    return figure


def _overview(axes: Axes, study: Training, losses: Mapping[str, Binned]) -> None:
    baselines = [losses[line.run] for line in study.baselines]
    band = envelope(axes, baselines, LIGHT["ink"])
    if band is not None:
        shows(band, numbers(study.baselines))
    for name in study.interventions:
        for line in study.groups[name]:
            one = losses[line.run]
            drawn = axes.plot(
                one.step, one.mean, color=line.tint, linewidth=1, alpha=0.8, linestyle=line.dash
            )
            tip(drawn[0], line.run, [line.number])
            # Bands of all runs would hide each other, so only the spikes that means hide are drawn.
            if (far := spikes(one)).any():
                ends = one.low[far], one.high[far]
                strokes = axes.vlines(one.step[far], *ends, color=line.tint, linewidth=1, alpha=0.8)
                shows(strokes, [line.number])
    mean_line(axes, baselines, study.baselines)
    axes.set_ylim(*_loss_range(study, losses))
    over_steps(axes, study.steps)
    axes.set_xlabel("Step", labelpad=4)
    axes.set_ylabel("Training loss, nats")


def _differences(
    axes: Axes,
    name: str,
    study: Training,
    losses: Mapping[str, Binned],
    differences: Mapping[str, Floats],
) -> None:
    low, high = axes.get_ylim()
    shows(axes, numbers(study.groups[name]))
    own = [differences[line.run] for line in study.baselines if line.run in differences]
    if own:
        step = losses[study.baselines[0].run].step
        axes.fill_between(
            step, np.fmin.reduce(own), np.fmax.reduce(own), color=LIGHT["band"], linewidth=0
        )
    axes.axhline(0, color=LIGHT["muted"], linewidth=0.8)
    outside: list[float] = []
    width = 0.8 if name == BASELINE else 1.3
    for line in study.groups[name]:
        if line.run in differences:
            values = differences[line.run]
            drawn = axes.plot(
                losses[line.run].step, values, color=line.tint, linewidth=width, linestyle=line.dash
            )
            tip(drawn[0], line.run, [line.number])
            if not low <= values[-1] <= high:
                outside.append(float(values[-1]))
    heading(axes, name, study)
    if study.groups[name] and not any(line.same_tokens for line in study.groups[name]):
        note = "reads other tokens"
        axes.text(
            0.5, 0.94, note, transform=axes.transAxes, ha="center", va="top",
            fontsize=11, color=LIGHT["muted"],
        )  # fmt: skip
    if outside:
        end, (y, side, arrow) = outside[0], _UP if outside[0] > high else _DOWN
        note = f"ends at {signed(end, 2)} {arrow}"
        tint = study.groups[name][0].tint
        axes.text(
            0.98, y, note, transform=axes.transAxes, ha="right", va=side, fontsize=11, color=tint
        )


def _loss_range(study: Training, losses: Mapping[str, Binned]) -> tuple[float, float]:
    """The range from the smallest loss to the baseline's first; higher starts are cut off."""
    lows = [float(np.nanmin(one.mean)) for one in losses.values() if np.isfinite(one.mean).any()]
    for line in study.baselines:
        lows += [float(value) for value in losses[line.run].low if np.isfinite(value)]
    first = [losses[line.run].mean[0] for line in study.baselines or study.lines]
    high = max((float(value) for value in first if np.isfinite(value)), default=1.0)
    low = min(lows, default=0.0)
    margin = 0.04 * (high - low) or 0.1
    return low - margin, high + margin


def _frame(differences: Mapping[str, Floats]) -> tuple[float, float]:
    """The panels' range, from the second half of training: the beginning varies much more."""
    late = [values[len(values) // 2 :] for values in differences.values()]
    return frame([(float(v.min()), float(v.max())) for v in late if np.isfinite(v).all()])
