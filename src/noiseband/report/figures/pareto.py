"""The chart of a factorial design's effects by size, with the limit of the noise."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.rows import FactorialRow
from noiseband.report.figures.palette import LIGHT, colour
from noiseband.report.figures.svg import blank, panel, tip
from noiseband.report.sanitize import plain
from noiseband.report.words import decimals_of, signed
from noiseband.study.metrics import NamedMetric

WIDTH, ROW, TOP, BOTTOM = 760, 24, 30, 52
RIGHT = 84
LONGEST = 46


def draw_pareto(rows: Sequence[FactorialRow], metric: NamedMetric) -> Figure:
    """Draw a bar for the size of each effect, the largest first, coloured by its verdict.

    A tick on each row marks the smallest size that stands out; the ticks form one line if all
    effects are known equally well.
    """
    known = [(abs(row.estimate), row) for row in rows if row.estimate is not None]
    ranked = sorted(known, key=lambda pair: -pair[0])
    names = [_name(row) for _, row in ranked] or [""]
    left = 16 + 6.9 * max(map(len, names))
    figure = blank(WIDTH, TOP + ROW * len(names) + BOTTOM)
    axes = panel(figure, left, TOP, WIDTH - left - RIGHT, ROW * len(names))
    axes.set_ylim(len(names) - 0.5, -0.5)
    decimals = decimals_of(rows[0].se if rows else None)
    for place, (size, row) in enumerate(ranked):
        _bar(axes, place, size, row, decimals)
    _margins(axes, [row for _, row in ranked])
    axes.set_yticks(range(len(names)), names, color=LIGHT["ink"], fontsize=12)
    axes.tick_params(axis="y", pad=8)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel(f"Size of the effect on the {metric.label_with_unit}", labelpad=8)
    return figure


def _name(row: FactorialRow) -> str:
    name = plain(row.effect) + (" and aliases" if row.aliases else "")
    return name if len(name) <= LONGEST else f"{row.letters}: {name}"[: LONGEST - 1] + "…"


def _bar(axes: Axes, place: int, size: float, row: FactorialRow, decimals: int) -> None:
    tint, value = colour(row.verdict), signed(row.estimate, decimals)
    (bar,) = axes.barh([place], [size], height=0.62, color=tint, linewidth=0)
    text = f"{row.effect}: {row.verdict}, {value}"
    if row.low is not None and row.high is not None:
        text += f" ({signed(row.low, decimals)} to {signed(row.high, decimals)})"
    tip(bar, text)
    axes.text(1.02, place, value, va="center", color=tint, transform=axes.get_yaxis_transform())


def _margins(axes: Axes, rows: Sequence[FactorialRow]) -> None:
    margins = [row.smallest_visible for row in rows]
    for place, margin in enumerate(margins):
        if margin is not None:
            ends = [place - 0.5, place + 0.5]
            axes.plot([margin, margin], ends, color=LIGHT["ink"], linewidth=1.2)
    first = next((margin for margin in margins if margin is not None), None)
    if first is not None:
        axes.text(
            first, -0.72, "stands out from here", ha="center", color=LIGHT["muted"], fontsize=11
        )
