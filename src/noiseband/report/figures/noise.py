"""The chart of baseline runs by source of randomness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.rows import NoiseRow, RunRow
from noiseband.report.figures.palette import LIGHT
from noiseband.report.figures.svg import blank, panel, tip
from noiseband.report.sanitize import plain
from noiseband.report.words import decimals_of, fixed, spelled
from noiseband.study.metrics import NamedMetric

WIDTH, ROW, TOP, BOTTOM = 640, 58, 12, 52
LEFT, RIGHT = 140, 150


def draw_noise(
    components: Sequence[NoiseRow], runs: Sequence[RunRow], metric: NamedMetric
) -> Figure:
    """Draw a row for each component: runs as dots, the mean as a tick, one SD each way as a bar."""
    figure = blank(WIDTH, TOP + ROW * len(components) + BOTTOM)
    axes = panel(figure, LEFT, TOP, WIDTH - LEFT - RIGHT, ROW * len(components))
    values = {run.run: run.value for run in runs}  # the points of `machine` are shifted
    axes.set_ylim(len(components) - 0.5, -0.5)
    for place, component in enumerate(components):
        found = f"{component.n} of {component.n + len(component.missing_seeds)} runs"
        name = plain(spelled(component.component))
        for x, side, over, under in (
            (-0.03, "right", name, found),
            (
                1.03,
                "left",
                f"SD {fixed(component.sd, decimals_of(component.sd))}",
                _interval(component),
            ),
        ):
            label = axes.get_yaxis_transform()
            axes.text(x, place - 0.06, over, transform=label, ha=side, fontsize=12.5)
            axes.text(
                x, place + 0.22, under, transform=label, ha=side, fontsize=11, color=LIGHT["muted"]
            )
        if component.mean is not None:
            if component.sd is not None:
                ends = [component.mean - component.sd, component.mean + component.sd]
                bar: dict[str, Any] = {
                    "color": LIGHT["band"],
                    "linewidth": 13,
                    "solid_capstyle": "butt",
                }
                axes.plot(ends, [place] * 2, **bar)
            axes.plot([component.mean] * 2, [place - 0.17, place + 0.17], color=LIGHT["muted"])
        for run, x in zip(component.runs, component.points, strict=True):
            dot = axes.plot([x], [place], "o", color=LIGHT["ink"], markersize=6.5, alpha=0.75)
            tip(dot[0], f"{run}: {metric.label} {fixed(values[run])}")
    axes.set_yticks([])
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel(f"{metric.label_with_unit.capitalize()}, of single runs", labelpad=8)
    return figure


def _interval(component: NoiseRow) -> str:
    if component.sd_low is None or component.sd_high is None:
        return "needs two runs"
    decimals = decimals_of(component.sd)
    return f"{fixed(component.sd_low, decimals)} to {fixed(component.sd_high, decimals)}"
