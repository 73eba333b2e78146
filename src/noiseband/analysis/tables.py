"""Write the study's tables from the files of the other stages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from noiseband.analysis import inference
from noiseband.analysis.answers import write_answers
from noiseband.analysis.command_runs import by_command, command_row
from noiseband.analysis.contamination import contamination_rows
from noiseband.analysis.documents import document_rows
from noiseband.analysis.factorial import analysis, factorial_rows, interactions
from noiseband.analysis.items import item_rows
from noiseband.analysis.measurements import measurement_rows, values, volatile_rows
from noiseband.analysis.noise import noise_rows
from noiseband.analysis.outcomes import Outcome, metric_row, metric_verdict_rows, outcome
from noiseband.analysis.pretrained import gap_rows, pretrained_rows
from noiseband.analysis.rows import (
    AverageRow,
    ContaminationRow,
    DocumentsRow,
    FactorialRow,
    GapRow,
    ItemsRow,
    MeasurementRow,
    MetricRow,
    MetricVerdictRow,
    NoiseRow,
    PositionRow,
    PretrainedRow,
    RunRow,
    ShareRow,
    StackRow,
    VerdictRow,
)
from noiseband.analysis.scores import epoch_rows, finetuning_rows
from noiseband.analysis.seen_questions import seen_questions_rows
from noiseband.analysis.shares import share_rows
from noiseband.analysis.sources import json_file, loss_file
from noiseband.analysis.traces import final_loss, read_trace
from noiseband.analysis.tuning import tuning_noise_rows, twin_rows
from noiseband.analysis.tuning_rows import (
    EpochRow,
    FinetuningRow,
    SeenQuestionsRow,
    TuningNoiseRow,
    TwinRow,
)
from noiseband.analysis.weight_averages import average_rows
from noiseband.errors import UserError, run_command
from noiseband.io.tables import write_rows
from noiseband.study.command_params import RESULT
from noiseband.study.metrics import TEST_LOSS
from noiseband.study.paths import Paths
from noiseband.study.recipe import Recipe
from noiseband.study.section import written
from noiseband.study.table_params import TablesParams


def write_tables(params: TablesParams, results: Path) -> None:
    """Write `tables/<name>.csv` for every name in `study.artefacts.TABLES`, and
    `tables/answers.parquet`.

    A pure function of the files that it reads under `results`: equal files give equal bytes.
    Raises UserError for a missing file.
    """
    tables = Paths(results).tables
    facts = run_rows(params, results)
    measurements = measurement_rows(params, results)
    rows = with_values(params, facts, values(measurements, params.primary.name))
    if params.averages:
        averaged = average_rows(params, rows, measurements, results)
        write_rows(tables / "averages.csv", AverageRow, averaged)
    if params.shares:
        write_rows(tables / "shares.csv", ShareRow, share_rows(rows, params.shares, results))
    outcomes = _outcomes(params, rows, measurements, volatile=False)
    primary = outcomes[params.primary.name]
    runs = inference.with_residuals(rows, primary.study)
    write_rows(tables / "runs.csv", RunRow, runs)
    write_rows(tables / "measurements.csv", MeasurementRow, measurements)
    write_rows(tables / "metrics.csv", MetricRow, map(metric_row, outcomes.values()))
    write_rows(tables / "verdicts.csv", VerdictRow, primary.verdicts)
    write_rows(tables / "items.csv", ItemsRow, item_rows(params, primary.runs, results))
    others = [one for name, one in outcomes.items() if name != params.primary.name]
    write_rows(tables / "metric-verdicts.csv", MetricVerdictRow, metric_verdict_rows(others))
    counted = inference.exact(rows, params.approximate)
    write_rows(
        tables / "noise.csv",
        NoiseRow,
        noise_rows(counted, params.noise, params.alpha, params.command),
    )
    design = analysis(params, counted)
    stacks = inference.stack_rows(counted, params.alpha, interactions(design))
    write_rows(tables / "stacks.csv", StackRow, stacks)
    write_rows(tables / "factorial.csv", FactorialRow, factorial_rows(design))
    _write_volatile(params, rows, results)
    _write_about_loss(params, runs, results, outcomes.get(TEST_LOSS), measurements)


def study_outcomes(params: TablesParams, results: Path) -> list[Outcome]:
    """What the study says about each metric, the primary one first and volatile ones last.

    Raises UserError for a missing or damaged file.
    """
    facts = run_rows(params, results)
    measurements = measurement_rows(params, results)
    rows = with_values(params, facts, values(measurements, params.primary.name))
    timed = volatile_rows(params, results)
    return [
        *_outcomes(params, rows, measurements, volatile=False).values(),
        *_outcomes(params, rows, timed, volatile=True).values(),
    ]


def _outcomes(
    params: TablesParams,
    rows: Sequence[RunRow],
    measurements: Sequence[MeasurementRow],
    volatile: bool,
) -> dict[str, Outcome]:
    """What the study says about each metric that is volatile or is not, by name."""
    return {
        metric.name: outcome(params, rows, metric, values(measurements, metric.name))
        for metric in params.judged
        if metric.volatile == volatile
    }


def _write_volatile(params: TablesParams, rows: Sequence[RunRow], results: Path) -> None:
    """The tables of volatile metrics, which are not equal across reruns."""
    tables = Paths(results).tables
    measurements = volatile_rows(params, results)
    outcomes = list(_outcomes(params, rows, measurements, volatile=True).values())
    write_rows(tables / "volatile-measurements.csv", MeasurementRow, measurements)
    write_rows(tables / "volatile-metrics.csv", MetricRow, map(metric_row, outcomes))
    write_rows(tables / "volatile-verdicts.csv", MetricVerdictRow, metric_verdict_rows(outcomes))


def _write_about_loss(
    params: TablesParams,
    runs: Sequence[RunRow],
    results: Path,
    loss: Outcome | None,
    measurements: Sequence[MeasurementRow],
) -> None:
    """The tables about the test loss: its documents and positions, pretrained models and what was
    seen in training, and fine-tuned models, whose scores are compared with it."""
    tables = Paths(results).tables
    losses = {
        run: value
        for run, value in values(measurements, TEST_LOSS).items()
        if value is not None and math.isfinite(value)
    }
    pretrained = pretrained_rows(results, params.pretrained, losses.get(params.baseline))
    write_rows(tables / "positions.csv", PositionRow, position_rows(params.runs, results))
    seen = contamination_rows(results, params.contamination)
    write_rows(tables / "contamination.csv", ContaminationRow, seen)
    write_rows(tables / "pretrained.csv", PretrainedRow, pretrained)
    tested = (
        []
        if loss is None
        else document_rows(loss.runs, loss.verdicts, results, params.alpha, loss.metric.margin)
    )
    write_rows(tables / "documents.csv", DocumentsRow, tested)
    gaps = gap_rows(pretrained, loss.study if loss else None, params.alpha)
    write_rows(tables / "gaps.csv", GapRow, gaps)
    known = losses | {row.model: row.test_loss for row in pretrained}
    models = finetuning_rows(results, params.models, known)
    write_rows(tables / "finetuning.csv", FinetuningRow, models)
    write_rows(tables / "epochs.csv", EpochRow, epoch_rows(results, params.models))
    asked = seen_questions_rows(results, params.seen_questions)
    write_rows(tables / "seen-questions.csv", SeenQuestionsRow, asked)
    # As everywhere in a study in bits per byte, whose runs may have different vocabularies.
    per_token = params.unit == "nats"
    tuning_noise = tuning_noise_rows(models, runs, params.alpha, per_token)
    write_rows(tables / "finetuning-noise.csv", TuningNoiseRow, tuning_noise)
    twins = twin_rows(models, runs, params.alpha, per_token)
    write_rows(tables / "twins.csv", TwinRow, twins)
    write_answers(tables / "answers.parquet", results, params.models)


def run_rows(params: TablesParams, results: Path) -> list[RunRow]:
    """All runs in the order of the study, without value, improvement and residual.

    Raises UserError as `run_row` does.
    """
    recipes = params.recipes or [""] * len(params.runs)
    volatile = [metric.name for metric in params.judged if metric.volatile]
    return [
        run_row(Paths(results).run(run), recipe, volatile)
        for run, recipe in zip(params.runs, recipes, strict=True)
    ]


def with_values(
    params: TablesParams, facts: Sequence[RunRow], values: Mapping[str, float | None]
) -> list[RunRow]:
    """The runs with the primary metric, which `values` holds by run, and their improvements."""
    rows = [replace(row, value=values.get(row.run)) for row in facts]
    sign = 1.0 if params.primary.better == "lower" else -1.0
    finite = {row.run: row.value for row in rows if inference.has_value(row)}
    baseline = finite.get(params.baseline)
    return [
        row
        if baseline is None or row.value is None or not inference.has_value(row)
        else replace(row, improvement=sign * (baseline - row.value))
        for row in rows
    ]


def run_row(folder: Path, digest: str = "", volatile: Sequence[str] = ()) -> RunRow:
    """The run whose results are in a folder, without value, improvement and residual.

    Metrics that are `volatile` do not tell runs of a command apart. Raises UserError if a file is
    missing or damaged, or the recipe's digest begins otherwise.
    """
    card = json_file(folder / "recipe.json")
    if not card["digest"].startswith(digest):
        # Snakemake retrains such a run by itself, unless it has no record of it.
        made = folder / (RESULT if by_command(folder) else "model.safetensors")
        raise UserError(
            f"{folder}: made with another recipe than the study's; make it again: "
            f"{run_command(made, options='-f')}"
        )
    if by_command(folder):
        return command_row(folder, card, volatile)
    evaluation = loss_file(folder / "test_loss.json")
    recipe, trace = card["recipe"], read_trace(folder / "trace.parquet")
    tokens = trace.steps * recipe["batch"]["sequences"] * recipe["model"]["context"]
    if "ramp" in recipe["batch"]:
        tokens = Recipe.model_validate(recipe).tokens_before(trace.steps)
    return RunRow(
        run=card["run"],
        intervention=card["intervention"],
        interventions=tuple(card["interventions"]),
        init_seed=recipe["init_seed"],
        data_seed=recipe.get("data_seed"),
        train_seed=recipe["train_seed"],
        repeat_of=card["repeat_of"],
        continues=card["continues"],
        value=None,
        improvement=None,
        bits_per_byte=evaluation.get("bits_per_byte"),
        final_train_loss=None if "unit" in evaluation else final_loss(trace),
        steps=trace.steps,
        tokens=tokens,
        clipped_steps=int(trace.clipped.sum()),
        skipped_steps=int(trace.skipped.sum()),
        weights_sha256=json_file(folder / "model.json")["sha256"],
        recipe_sha256=card["digest"],
        changes=tuple(f"{key}={written(new)}" for key, (_, new) in card["difference"].items()),
        residual=None,
    )


def position_rows(runs: Sequence[str], results: Path) -> list[PositionRow]:
    """Test loss of every run along the context; segments without a finite loss are left out."""
    return [
        PositionRow(run, segment["first"], segment["last"], segment["loss"])
        for run in runs
        if not by_command(Paths(results).run(run))
        for segment in loss_file(Paths(results).run(run) / "test_loss.json")["by_position"]
        if segment["loss"] is not None and math.isfinite(segment["loss"])
    ]
