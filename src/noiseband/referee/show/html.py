"""An answer as HTML: a table for a notebook, and a page in one file."""

from __future__ import annotations

from pathlib import Path

from noiseband.referee.answer import Answer
from noiseband.referee.judgement import MetricVerdicts
from noiseband.referee.show.lines import explanations, heading, lines
from noiseband.report.figures.palette import variables
from noiseband.report.page import environment

TEMPLATES = Path(__file__).parents[1] / "templates"


def as_table(answer: Answer) -> str:
    """The tables with their own style, for a notebook."""
    return f"<style>\n{_style()}</style>\n{_tables(answer, charts=False)}"


def as_page(answer: Answer) -> str:
    """A page in one file, with the tables and the charts of effects."""
    return (
        environment(TEMPLATES)
        .get_template("page.html")
        .render(
            colours=variables(":root"),
            style=_style(),
            table=_tables(answer, charts=True),
        )
    )


def _tables(answer: Answer, charts: bool) -> str:
    metrics = []
    for metric in answer.metrics:
        chart = ""
        if charts and isinstance(metric, MetricVerdicts):
            # Imported here because matplotlib takes longer than everything else.
            from noiseband.referee.show.figure import svg

            chart = svg(metric)
        metrics.append(
            {
                "heading": heading(metric),
                "target": not isinstance(metric, MetricVerdicts),
                "lines": lines(metric),
                "told": explanations(metric),
                "chart": chart,
            }
        )
    template = environment(TEMPLATES).get_template("table.html")
    return template.render(metrics=metrics, notes=answer.notes)


def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")
