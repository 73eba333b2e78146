"""The chart of learning rates by step, with every distinct schedule once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.traces import binned
from noiseband.report.figures.palette import LIGHT
from noiseband.report.figures.panels import LEFT, WIDTH, numbers, over_steps, short
from noiseband.report.figures.svg import blank, panel, shows, tip
from noiseband.report.figures.training import Line, Training
from noiseband.report.words import listed
from noiseband.study.runs import BASELINE

HEIGHT, NAMES = 190, 236
POINTS = 200


def draw_learning_rate(study: Training) -> Figure:
    """Draw one line for each schedule, labelled at its end with the interventions that use it.

    A schedule of Muon's matrices that differs from that of the other parameters is a dashed line.
    """
    schedules: dict[tuple[bytes, bool], list[Line]] = {}
    for line in study.lines:
        usual, muon = line.trace.learning_rate, line.trace.muon_learning_rate
        schedules.setdefault((usual.tobytes(), False), []).append(line)
        if muon is not None and muon.tobytes() != usual.tobytes():
            schedules.setdefault((muon.tobytes(), True), []).append(line)
    figure = blank(WIDTH, HEIGHT + 54)
    axes = panel(figure, LEFT + 8, 12, WIDTH - LEFT - 8 - NAMES, HEIGHT)
    ends = []
    for (rates, of_muon), lines in schedules.items():
        series = binned(np.frombuffer(rates), POINTS)
        tint = LIGHT["ink"] if lines[0].intervention == BASELINE else lines[0].tint
        style, suffix = ("--", ", Muon") if of_muon else ("-", "")
        drawn = axes.plot(series.step, series.mean, color=tint, linewidth=1.6, linestyle=style)
        tip(drawn[0], listed(_interventions(lines)) + suffix, numbers(lines))
        ends.append((float(series.mean[-1]), tint, _names(lines) + suffix, numbers(lines)))
    axes.set_ylim(0, None)
    # Labels are in the order of the lines' ends, moved up where two would overlap.
    spread, height = 0.085 * axes.get_ylim()[1], -1.0
    for rate, tint, names, of in sorted(ends):
        height = max(rate, height + spread)
        label = axes.annotate(
            names, (1, height), xycoords=("axes fraction", "data"), xytext=(10, 0), fontsize=11.5,
            textcoords="offset points", va="center", color=tint, annotation_clip=False,
        )  # fmt: skip
        shows(label, of)
    over_steps(axes, study.steps)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("Step", labelpad=4)
    axes.set_ylabel("Learning rate")
    return figure


def _interventions(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(line.intervention for line in lines))


def _names(lines: Sequence[Line]) -> str:
    names = _interventions(lines)
    return short(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
