"""The chart of every change's effect on every other metric: a small panel for each metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.rows import MetricRow, MetricVerdictRow
from noiseband.report.figures.palette import LIGHT, colour, marker
from noiseband.report.figures.panels import short
from noiseband.report.figures.svg import blank, panel, tip
from noiseband.report.figures.training import frame
from noiseband.report.words import MINUS, better, effect_decimals, signed

WIDTH, ROW, TOP, BOTTOM, GAP = 920, 20, 44, 44, 22
COLUMNS = 4


@dataclass(frozen=True)
class MetricEffects:
    """One panel: a metric and the verdicts by it."""

    metric: MetricRow
    verdicts: Sequence[MetricVerdictRow]


def by_metric(
    metrics: Sequence[MetricRow], verdicts: Sequence[MetricVerdictRow]
) -> list[MetricEffects]:
    """The verdicts of each metric that has some, in the order of `metrics`."""
    found = [
        MetricEffects(metric, [row for row in verdicts if row.metric == metric.metric])
        for metric in metrics
    ]
    return [one for one in found if one.verdicts]


def draw_metrics(found: Sequence[MetricEffects], arms: Sequence[str]) -> Figure:
    """Draw a panel for each metric, with a row for each arm in the order of `arms`.

    The marker is the estimated change of the metric, the line is its simultaneous interval, and
    the band is where new runs of the baseline would fall.
    """
    left = 16 + 6.4 * max(len(short(arm)) for arm in arms)
    bands = -(-len(found) // COLUMNS)
    high = ROW * len(arms)
    figure = blank(WIDTH, bands * (TOP + high + BOTTOM))
    width = (WIDTH - left - 8 - (COLUMNS - 1) * GAP) / COLUMNS
    for place, one in enumerate(found):
        band, column = divmod(place, COLUMNS)
        top = band * (TOP + high + BOTTOM) + TOP
        axes = panel(figure, left + column * (width + GAP), top, width, high)
        axes.set_ylim(len(arms) - 0.5, -0.5)
        names = [short(arm) for arm in arms] if column == 0 else [""] * len(arms)
        axes.set_yticks(range(len(arms)), names, color=LIGHT["ink"], fontsize=11.5)
        axes.tick_params(axis="x", labelsize=10)
        axes.grid(axis="y", visible=False)
        _effects(axes, one, arms)
    return figure


def _effects(axes: Axes, one: MetricEffects, arms: Sequence[str]) -> None:
    """The effects on one metric."""
    rows = {row.intervention: row for row in one.verdicts}
    half = next((row.band for row in one.verdicts if row.band is not None), None)
    reaches = [(0.0, 0.0), (-(half or 0.0), half or 0.0)]
    for row in rows.values():
        ends = [end for end in (row.low, row.effect, row.high) if end is not None]
        if ends:
            reaches.append((min(ends), max(ends)))
    axes.set_xlim(frame(reaches))
    if half is not None:
        axes.axvspan(-half, half, color=LIGHT["band"], linewidth=0)
    axes.axvline(0, color=LIGHT["muted"], linewidth=1)
    decimals = effect_decimals(one.verdicts, digits=1)
    low, high = axes.get_xlim()
    for place, arm in enumerate(arms):
        found = rows.get(arm)
        if found is None or found.effect is None:
            continue
        tint = colour(found.verdict)
        text = f"{arm}: {found.verdict}, {signed(found.effect, decimals)}"
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [place, place], color=tint, linewidth=1.8)
            text += f" ({signed(found.low, decimals)} to {signed(found.high, decimals)})"
        shown = min(max(found.effect, low), high)
        point = axes.plot([shown], [place], zorder=4, markersize=6.5, **marker(found.verdict))
        tip(point[0], text)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: _tick(value))
    name, unit = one.metric.metric.replace("_", " "), one.metric.unit
    axes.set_title(name, loc="left", fontsize=12, pad=18)
    # The unit is in the second line, so that a long name does not reach the next chart.
    axes.annotate(
        f"{unit}, {better(one.metric)}" if unit else better(one.metric),
        (0, 1), xytext=(0, 5), xycoords="axes fraction", fontsize=10,
        textcoords="offset points", color=LIGHT["muted"], annotation_clip=False,
    )  # fmt: skip


def _tick(value: float) -> str:
    return f"{value:+,.6g}".replace("-", MINUS) if value else "0"
