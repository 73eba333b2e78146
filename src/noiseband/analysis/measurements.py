"""The measurements of a run: every metric that its files hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from noiseband.analysis.command_runs import by_command, command_measurements
from noiseband.analysis.rows import MeasurementRow
from noiseband.analysis.sources import json_if_any, loss_file
from noiseband.study.metrics import TEST_LOSS, TIMED
from noiseband.study.params import TablesParams
from noiseband.study.paths import Paths


def measurement_rows(params: TablesParams, results: Path) -> list[MeasurementRow]:
    """The measurements of all runs, in the order of the study, without the volatile ones.

    Raises UserError for a missing or damaged file.
    """
    volatile = {metric.name for metric in params.judged if metric.volatile}
    rows = [row for run in params.runs for row in measured(Paths(results).run(run))]
    return [row for row in rows if row.metric not in volatile]


def volatile_rows(params: TablesParams, results: Path) -> list[MeasurementRow]:
    """The measurements of the study's volatile metrics, which another execution would change."""
    names = [metric.name for metric in params.judged if metric.volatile]
    return [
        row
        for run in (params.runs if names else [])
        for row in _volatile(Paths(results).run(run))
        if row.metric in names
    ]


def measured(folder: Path) -> list[MeasurementRow]:
    """The measurements in a run's folder that are not volatile.

    Raises UserError if a file is missing or damaged.
    """
    if by_command(folder):
        return command_measurements(folder)
    return _test_loss(folder.name, loss_file(folder / "test_loss.json"))


def values(rows: Iterable[MeasurementRow], metric: str) -> dict[str, float | None]:
    """The values of one metric by run; a run that lacks it is not there."""
    return {row.run: row.value for row in rows if row.metric == metric}


def _test_loss(run: str, found: Any) -> list[MeasurementRow]:
    return [
        MeasurementRow(run, TEST_LOSS, found["test_loss"], None, found["tokens"]),
        MeasurementRow(run, "bits_per_byte", found["bits_per_byte"], None, found["tokens"]),
    ]


def _volatile(folder: Path) -> list[MeasurementRow]:
    """What another execution would change: time and memory, unless a command measures something of
    that name itself, and all metrics of a command, of which the caller takes the volatile ones."""
    own = command_measurements(folder) if by_command(folder) else []
    return [*own, *(row for row in _timed(folder) if row.metric not in {o.metric for o in own})]


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
