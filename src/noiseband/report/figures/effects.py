"""The chart of every intervention's effect compared with the noise band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from noiseband.analysis.inference import band_half_width
from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.report.figures.palette import LIGHT, colour, marker
from noiseband.report.figures.panels import short
from noiseband.report.figures.svg import blank, panel, tip
from noiseband.report.figures.training import frame
from noiseband.report.words import NOTHING, effect_decimals, firmness, fixed, signed
from noiseband.study.metrics import NamedMetric
from noiseband.study.runs import BASELINE

WIDTH, ROW, TOP, BOTTOM = 640, 27, 34, 52
_EDGE: dict[str, Any] = {
    "xycoords": ("axes fraction", "data"),
    "color": LIGHT["muted"],
    "fontsize": 11,
    "annotation_clip": False,
}


@dataclass(frozen=True)
class Scale:
    """The axis of effects."""

    label: str
    """The metric in words."""
    unit: str
    better: str
    """`lower` or `higher`."""

    @classmethod
    def of(cls, metric: NamedMetric) -> Scale:
        return cls(metric.label, metric.unit, metric.better)

    @property
    def axis(self) -> str:
        unit = f", {self.unit}" if self.unit else ""
        return f"Change of the {self.label}{unit}"


def draw_effects(
    verdicts: Sequence[VerdictRow],
    runs: Sequence[RunRow],
    scale: Scale,
) -> Figure:
    """Draw a row for each intervention, the best first, and one for the baseline's own runs.

    The marker is the estimated change of the metric, the line is its simultaneous interval, and
    small dots are single runs (estimate plus residual). The band is where new runs of the
    baseline would fall, with a probability of 1 - alpha.
    """
    sign = 1.0 if scale.better == "lower" else -1.0
    rows = sorted(verdicts, key=lambda row: (row.effect is None, sign * (row.effect or 0.0)))
    own = [run for run in runs if run.intervention == BASELINE]
    names = [short(row.intervention) for row in rows] + ([BASELINE] if own else [])
    left = 16 + 6.9 * max(map(len, names))
    height = TOP + ROW * len(names) + BOTTOM
    figure = blank(WIDTH, height)
    axes = panel(figure, left, TOP, WIDTH - left - 78, ROW * len(names))
    half = band_half_width(rows)
    around_zero = [0.0, -(half or 0.0), half or 0.0]
    around_zero += [run.residual for run in runs if run.residual is not None]
    reaches = [_ends(row) for row in rows if _ends(row)] + [around_zero]
    axes.set_xlim(frame([(min(ends), max(ends)) for ends in reaches]))
    axes.set_ylim(len(names) - 0.5, -0.5)
    if half is not None:
        _noise_band(axes, half)
    axes.axvline(0, color=LIGHT["muted"], linewidth=1)
    decimals = effect_decimals(rows, digits=1)
    for place, row in enumerate(rows):
        _row(axes, place, row, runs, (decimals, scale.label))
    for run in own:
        if run.residual is not None:
            _dot(axes, run.residual, len(rows), _told(run, scale.label), colour(BASELINE))

    axes.set_yticks(range(len(names)), names, color=LIGHT["ink"], fontsize=12.5)
    axes.tick_params(axis="y", pad=8)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda value, _: _tick(value, axes))
    axes.set_xlabel(scale.axis, labelpad=8)
    left_is, right_is = ("better", "worse") if scale.better == "lower" else ("worse", "better")
    axes.annotate(f"← lower: {left_is}", (0, -0.85), ha="left", **_EDGE)
    axes.annotate(f"higher: {right_is} →", (1, -0.85), ha="right", **_EDGE)
    return figure


def _ends(row: VerdictRow) -> list[float]:
    return [end for end in (row.low, row.effect, row.high) if end is not None]


def _tick(value: float, axes: Axes) -> str:
    """The label of a tick, with enough decimals to tell this axis' ticks apart."""
    first, second, *_ = axes.get_xticks()
    step = second - first
    decimals = next(d for d in range(9) if d == 8 or abs(round(step, d) - step) < 1e-3 * step)
    return signed(value, decimals)


def _noise_band(axes: Axes, half: float) -> None:
    axes.axvspan(-half, half, color=LIGHT["band"], linewidth=0)
    low, high = axes.get_xlim()
    if 0.35 < -low / (high - low) < 0.65:  # elsewhere it would overlap the words at the edges
        axes.text(0, -0.85, "noise band", ha="center", color=LIGHT["muted"], fontsize=11)


def _row(
    axes: Axes,
    place: int,
    row: VerdictRow,
    runs: Sequence[RunRow],
    shown: tuple[int, str],
) -> None:
    """Draw one intervention; `shown` is the number of decimals and the metric in words."""
    decimals, label = shown
    tint = colour(row.verdict)
    value = signed(row.effect, decimals) if row.effect is not None else "no estimate"
    axes.text(1.02, place, value, va="center", color=tint, transform=axes.get_yaxis_transform())
    if row.effect is None:
        return
    low, high = axes.get_xlim()
    text = f"{row.intervention}: {row.verdict}, {value}"
    if not low <= row.effect <= high:
        # Too far to draw to scale, so draw a marker at the edge; the number is next to it.
        span = high - low
        edge, inward = (high - 0.03 * span, -1) if row.effect > high else (low + 0.03 * span, 1)
        dots = (0, (1, 1.6))
        ends = [edge + inward * 0.12 * span, edge]
        axes.plot(ends, [place, place], color=tint, linewidth=1.8, linestyle=dots)
        tip(axes.plot([edge], [place], **_mark(row))[0], text)
        return
    if row.low is not None and row.high is not None:
        # A dashed line is an interval that depends on scatter measured in other arms.
        style = "-" if row.tipping_ratio is None or row.firm else (0, (3.2, 1.2))
        axes.plot([row.low, row.high], [place, place], color=tint, linewidth=2.2, linestyle=style)
        text += f" ({signed(row.low, decimals)} to {signed(row.high, decimals)})"
        if (held := firmness(row)) != NOTHING:
            text += f", {held}"
    for run in runs:
        if run.intervention == row.intervention and run.residual is not None and row.runs > 1:
            _dot(axes, row.effect + run.residual, place, _told(run, label), tint)
    tip(axes.plot([row.effect], [place], zorder=4, **_mark(row))[0], text)


def _mark(row: VerdictRow) -> dict[str, Any]:
    return marker(row.verdict) | {"markersize": 8.5, "markeredgewidth": 1.6}


def _told(run: RunRow, label: str) -> str:
    return f"{run.run}: {label} {fixed(run.value)}"


def _dot(axes: Axes, value: float, place: int, text: str, tint: str) -> None:
    """Draw one run a little above the line, so that the estimate does not hide it."""
    dot = axes.plot([value], [place - 0.26], "o", color=tint, markersize=3.6, markeredgewidth=0)
    tip(dot[0], text)
