"""The chart of a metric's effects and intervals, as on a study's page."""

from __future__ import annotations

from dataclasses import fields

from matplotlib.figure import Figure

from noiseband.analysis.rows import VerdictRow
from noiseband.errors import UserError
from noiseband.referee.judgement import MetricVerdicts
from noiseband.referee.target import TargetVerdicts
from noiseband.report.figures.effects import Scale, draw_effects
from noiseband.report.figures.svg import drawing, render
from noiseband.report.words import summary
from noiseband.stats.verdicts import Verdict


def draw(metric: MetricVerdicts | TargetVerdicts) -> Figure:
    """Draw a metric's effects. Raises UserError for a comparison with a target, which has none."""
    if isinstance(metric, TargetVerdicts):
        raise UserError("there is no chart of a comparison with a target; leave out --target")
    with drawing("effects"):
        return draw_effects(_rows(metric), [], Scale(metric.metric, "", metric.better))


def svg(metric: MetricVerdicts) -> str:
    """The chart as SVG, which has the colours of the page around it."""
    label = f"Effect of each change on {metric.metric} with its interval. {summary(_rows(metric))}"
    figure = draw(metric)
    with drawing("effects"):
        return render(figure, "effects", label)


def _rows(metric: MetricVerdicts) -> list[VerdictRow]:
    known = [field.name for field in fields(Verdict)]
    return [
        VerdictRow(
            **{name: getattr(one, name) for name in known},
            residual_sd=metric.residual_sd,
            band=metric.band,
            runs_without_value=one.runs_without_value,
        )
        for one in metric.verdicts
    ]
