"""The measurements of a run: every metric that its files hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from noiseband.analysis.rows import MeasurementRow
from noiseband.analysis.sources import json_if_any, loss_file
from noiseband.errors import NotMadeError
from noiseband.io.metrics import Measured, read_metrics
from noiseband.study.metrics import TEST_LOSS, TIMED
from noiseband.study.paths import Paths
from noiseband.study.table_params import TablesParams
from noiseband.study.weight_averages import average_name


def measurement_rows(params: TablesParams, results: Path) -> list[MeasurementRow]:
    """The measurements of all runs, in the order of the study, without the volatile ones.

    Raises UserError for a missing or damaged file.
    """
    volatile = {metric.name for metric in params.judged if metric.volatile}
    return [
        row
        for run in params.runs
        for row in (
            *measured(results, run),
            *evaluated(results, run, params.evaluations),
            *of_averages(params, results, run),
        )
        if row.metric not in volatile
    ]


def volatile_rows(params: TablesParams, results: Path) -> list[MeasurementRow]:
    """The measurements that another execution would change, in the order of the study: those of
    volatile metrics, and those of evaluations that are not repeatable.

    Raises UserError for a missing or damaged file.
    """
    names = [metric.name for metric in params.judged if metric.volatile]
    found = []
    for run in params.runs if names or params.volatile_evaluations else []:
        own = measured(results, run)
        # A command may measure something of the same name itself.
        timed = [row for row in _timed(Paths(results).run(run)) if row.metric not in names_of(own)]
        rows = [*timed, *own]
        rows += evaluated(results, run, params.evaluations)
        found += [row for row in rows if row.metric in names]
        found += evaluated(results, run, params.volatile_evaluations)
        found += of_averages(params, results, run, volatile=True)
    return found


def measured(results: Path, run: str) -> list[MeasurementRow]:
    """The measurements that belong to every run: those of a trainer's `result.json` if there is
    one, and otherwise the test loss.

    Raises UserError if a file is missing or damaged.
    """
    folder = Paths(results).run(run)
    result = folder / "result.json"
    if result.exists():
        return _named(run, "", read_metrics(result))
    return _test_loss(run, loss_file(folder / "test_loss.json"))


def evaluated(results: Path, run: str, evaluations: Sequence[str]) -> list[MeasurementRow]:
    """The measurements of further evaluations of a run. Raises UserError as `measured` does."""
    return [
        row
        for name in evaluations
        for row in _named(run, f"{name}.", _read(Paths(results).evaluation(run, name)))
    ]


def of_averages(
    params: TablesParams, results: Path, run: str, *, volatile: bool = False
) -> list[MeasurementRow]:
    """The measurements of the averages of a run's weights, as metrics of the run: those of
    evaluations that are not repeatable, or all others.

    Raises UserError as `measured` does.
    """
    found = []
    for average in params.averages:
        name = average_name(run, average)
        rows = (
            evaluated(results, name, params.volatile_evaluations)
            if volatile
            else [*measured(results, name), *evaluated(results, name, params.evaluations)]
        )
        found += [replace(row, run=run, metric=f"{average}.{row.metric}") for row in rows]
    return found


def names_of(rows: Iterable[MeasurementRow]) -> set[str]:
    """The names of the metrics in some rows."""
    return {row.metric for row in rows}


def values(rows: Iterable[MeasurementRow], metric: str) -> dict[str, float | None]:
    """The values of one metric by run; a run that lacks it is not there."""
    return {row.run: row.value for row in rows if row.metric == metric}


def _read(path: Path) -> dict[str, Measured]:
    try:
        return read_metrics(path)
    except FileNotFoundError as error:
        raise NotMadeError(path) from error


def _named(run: str, prefix: str, metrics: Mapping[str, Measured]) -> list[MeasurementRow]:
    return [
        MeasurementRow(
            run, prefix + name.removeprefix(prefix), one.value, one.standard_error, one.n
        )
        for name, one in metrics.items()
    ]


def _test_loss(run: str, found: Any) -> list[MeasurementRow]:
    metrics = [name for name in (TEST_LOSS, "bits_per_byte") if name in found]
    return [MeasurementRow(run, name, found[name], None, found.get("tokens")) for name in metrics]


def _timed(folder: Path) -> list[MeasurementRow]:
    """The time and memory that a run took. A run that was interrupted has no total time."""
    timing = json_if_any(folder / "timing.json") or {}
    found = {name: timing.get(name) for name in TIMED}
    if timing.get("resumed_at_step") or timing.get("resumed"):
        found["seconds"] = None
    return [
        MeasurementRow(folder.name, name, float(value), None, None)
        for name, value in found.items()
        if value is not None
    ]
