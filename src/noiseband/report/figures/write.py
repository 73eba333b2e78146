"""Draw the study's charts from its tables and traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from noiseband.analysis.rows import (
    FactorialRow,
    MetricRow,
    MetricVerdictRow,
    NoiseRow,
    PositionRow,
    RunRow,
    VerdictRow,
)
from noiseband.analysis.traces import read_trace
from noiseband.analysis.tuning_rows import EpochRow, FinetuningRow
from noiseband.io.files import write_text
from noiseband.io.tables import read_rows
from noiseband.report.figures.effects import Scale, draw_effects
from noiseband.report.figures.finetuning import draw_finetuning
from noiseband.report.figures.gradient_norm import draw_gradient_norm
from noiseband.report.figures.learning_rate import draw_learning_rate
from noiseband.report.figures.loss import draw_loss
from noiseband.report.figures.metrics import by_metric, draw_metrics
from noiseband.report.figures.noise import draw_noise
from noiseband.report.figures.palette import LIGHT
from noiseband.report.figures.pareto import draw_pareto
from noiseband.report.figures.positions import draw_positions
from noiseband.report.figures.svg import blank, drawing, render
from noiseband.report.figures.training import Line, sort_traces
from noiseband.report.words import summary
from noiseband.study.paths import Paths
from noiseband.study.table_params import TablesParams


def write_figures(params: TablesParams, results: Path) -> None:
    """Write `figures/<name>.svg` for every name in `study.artefacts.FIGURES` and
    `VOLATILE_FIGURES`.

    A pure function of the tables and traces under `results`: equal files give equal bytes. Raises
    UserError for a missing file.
    """
    tables = Paths(results).tables
    runs = read_rows(tables / "runs.csv", RunRow)
    verdicts = read_rows(tables / "verdicts.csv", VerdictRow)
    noise = read_rows(tables / "noise.csv", NoiseRow)
    effects = read_rows(tables / "factorial.csv", FactorialRow)
    models = read_rows(tables / "finetuning.csv", FinetuningRow)
    epochs = read_rows(tables / "epochs.csv", EpochRow)
    positions = read_rows(tables / "positions.csv", PositionRow)
    files = {run.run: Paths(results).run(run.run) / "trace.parquet" for run in runs}
    # A command may log no steps, and then its runs have no traces.
    traces = {
        run: read_trace(file) for run, file in files.items() if file.exists() or not params.command
    }
    study = sort_traces(runs, verdicts, traces)
    compared = study if params.unit == "nats" else study.of_same_tokens()

    def save(name: str, label: str, draw: Callable[[], Figure], lines: Sequence[Line] = ()) -> None:
        names = [(line.run, line.intervention) for line in lines]
        with drawing(name):
            write_text(Paths(results).figure(name), render(draw(), name, label, names))

    save(
        "effects",
        f"Effect of each intervention on the {params.primary.label} with its interval. "
        f"{summary(verdicts)}",
        lambda: draw_effects(verdicts, runs, Scale.of(params.primary)),
    )
    arms = [row.intervention for row in verdicts]
    for name, rows in (("metrics", "metric-verdicts"), ("volatile-metrics", "volatile-verdicts")):
        found = by_metric(
            read_rows(tables / f"{name}.csv", MetricRow),
            read_rows(tables / f"{rows}.csv", MetricVerdictRow),
        )
        save(
            name,
            "Effect of each intervention on the study's other metrics with its interval.",
            partial(draw_metrics, found, arms) if found else partial(_note, "No such metric."),
        )
    save(
        "noise",
        f"{params.primary.label} of the baseline's runs by the seeds that vary.".capitalize(),
        lambda: (
            draw_noise(noise, runs, params.primary)
            if noise
            else _note("The study has no noise runs.")
        ),
    )
    save(
        "pareto",
        "Main effects and two-way interactions of the factorial design by size.",
        lambda: (
            draw_pareto(effects, params.primary)
            if effects
            else _note("The study has no factorial design.")
        ),
    )
    save(
        "loss",
        "Training loss by step of all runs, and each intervention's difference from the baseline.",
        lambda: draw_loss(compared) if study.baselines else _note("The trainer logs no steps."),
        compared.lines,
    )
    save(
        "learning-rate",
        "Learning rate by step.",
        lambda: (
            draw_learning_rate(study)
            if study.logs("learning_rate")
            else _note("No run logs its learning_rate.")
        ),
        study.lines,
    )
    save(
        "gradient-norm",
        "Gradient norm by step of the baseline and each intervention.",
        lambda: (
            draw_gradient_norm(study)
            if study.logs("gradient_norm")
            else _note("No run logs its gradient_norm.")
        ),
        study.lines,
    )
    save(
        "positions",
        "Test loss along the context: every run's difference from the baseline's mean.",
        lambda: (
            draw_positions(study, positions)
            if positions or not (params.command or params.unit != "nats")
            else _note("No run has losses by position.")
        ),
        study.lines,
    )
    save(
        "finetuning",
        "Validation loss by epoch and, if known, judge score by test loss, of every tuned model.",
        lambda: (
            draw_finetuning(models, epochs, runs, verdicts, params.unit)
            if models
            else _note("The study has no fine-tuned models.")
        ),
    )


def _note(text: str) -> Figure:
    """An empty chart with a note that says why."""
    figure = blank(640, 60)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=LIGHT["muted"])
    return figure
