"""Read the database in which trackio keeps the runs of a project."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.records import flat, of_records, read_json
from noiseband.terminal import one_line

MAGIC = b"SQLite format 3\0"
PATIENCE = 10.0
"""Seconds to wait for a process that is writing."""

QUERIES = (
    "SELECT id, run_id, run_name, step, metrics FROM metrics ORDER BY id",
    "SELECT run_id, run_name, config FROM configs ORDER BY id",
)
OLD_QUERIES = (
    "SELECT id, run_name, run_name, step, metrics FROM metrics ORDER BY id",
    "SELECT run_name, run_name, config FROM configs ORDER BY id",
)
"""The same before trackio 0.24, when a run was known by its name alone."""

Rows = list[tuple[Any, ...]]


def read_trackio(file: str) -> Raw:
    """All runs of a project: a row for each time that a run logged, in the order of time.

    Columns are `run`, `step`, the run's config, and its metrics. Only the metrics are possible
    metrics. A key of the config that is also a metric is called `config.<key>`.

    Raises UserError if the file is damaged or no database of trackio.
    """
    try:
        logged, configured = _rows(file)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise UserError(
            f"{file}: not a readable database of trackio ({one_line(str(error))}); if it is being "
            "written, read it again later"
        ) from None
    if not logged:
        raise UserError(f"{file}: no run of this project has logged anything yet")
    names = _names([(key, name) for _, key, name, *_ in logged])
    found = [_values(text, f"{file}, row {row}") for row, *_, text in logged]
    metrics = list(dict.fromkeys(name for values in found for name in values))
    configs = {
        key: _config(_values(text, f"{file}, config of {name}"), metrics)
        for key, name, text in configured
    }
    records = [
        {**configs.get(key, {}), **values, "run": names[key], "step": step}
        for (_, key, _, step, _), values in zip(logged, found, strict=True)
    ]
    index = [row for row, *_ in logged]
    return of_records(records, file, "row", index, [n for n in metrics if n not in ("run", "step")])


def _rows(file: str) -> tuple[Rows, Rows]:
    """The rows of the metrics (id, run's key, run's name, step, JSON) and of the configs (run's
    key, run's name, JSON)."""
    # SQLite leaves files next to a database that another process could write, unless it is told
    # that there is none. While there is one, these files are there.
    companions = [Path(f"{file}{end}") for end in ("-wal", "-journal")]
    try:
        found = _select(file, "immutable=1")
    except (sqlite3.Error, UnicodeDecodeError):
        if not any(map(Path.exists, companions)):
            raise
    else:
        if not any(map(Path.exists, companions)):
            return found
    return _select(file, "mode=ro")


def _select(file: str, mode: str) -> tuple[Rows, Rows]:
    address = f"{Path(file).absolute().as_uri()}?{mode}"
    with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as database:
        database.execute("BEGIN")  # both tables as they are at one moment
        columns = [row[1] for row in database.execute("PRAGMA table_info(metrics)")]
        metrics, configs = QUERIES if "run_id" in columns else OLD_QUERIES
        return database.execute(metrics).fetchall(), database.execute(configs).fetchall()


def _names(runs: list[tuple[Any, str]]) -> dict[Any, str]:
    """The name of each run by its key, with the key added where several have the same name."""
    names = dict(runs)
    taken = list(names.values())
    return {
        key: f"{name} ({str(key)[:8]})" if taken.count(name) > 1 else str(name)
        for key, name in names.items()
    }


def _values(text: Any, place: str) -> dict[str, Any]:
    """The values in a cell with a JSON object."""
    try:
        value = read_json(text.decode() if isinstance(text, bytes) else text, place)
        if isinstance(value, Mapping):
            return flat(value)
    except (UserError, ValueError, TypeError, RecursionError):
        pass
    raise UserError(f"{place}: damaged, no JSON object")


def _config(values: dict[str, Any], metrics: list[str]) -> dict[str, Any]:
    return {
        f"config.{name}" if name in metrics else name: value
        for name, value in values.items()
        if value is not None
    }
