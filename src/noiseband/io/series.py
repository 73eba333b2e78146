"""Traces of commands: a table with `step`, `loss` and any other series, as CSV or JSON lines.

Stored as Parquet with a column for each series: `step` as int64, all others as float64. A command
need not log every step.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.errors import DamagedError, UserError
from noiseband.io.checksums import intact
from noiseband.io.files import atomic

STEP, LOSS = "step", "loss"
MOST = 10_000_000
"""The highest step; charts have a value for each."""

Series = dict[str, list[float]]
"""Values by column, without the steps."""


def read_log(path: Path) -> tuple[list[int], Series]:
    """Read the table that a command wrote, `.csv` or `.jsonl`.

    A last line that is not finished is an error like any other.

    Returns:
        The steps, and the other columns in the order of the file. A cell that is empty or missing
        is NaN.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: a cell is not a number, or the steps do not increase.
    """
    columns: list[str] = []
    steps: list[int] = []
    series: Series = {}
    for number, row in _rows(path):
        place = f"{path}: row {number}"
        step = _step(row, place)
        if steps and step <= steps[-1]:
            raise UserError(
                f"{place}: {STEP}: {step}: comes after step {steps[-1]}; write the trace afresh, "
                "or cut it back to the checkpoint from which the run goes on"
            )
        for column in row:
            if column not in columns and column != STEP:
                columns.append(column)
                series[column] = [math.nan] * len(steps)
        for column in columns:
            series[column].append(_number(row.get(column), f"{place}: {column}"))
        steps.append(step)
    if not steps:
        raise UserError(f"{path}: no rows; write one for each step that is logged")
    if LOSS not in series:
        raise UserError(f"{path}: {LOSS}: no such column; write step, loss and any other series")
    return steps, series


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows with their numbers, counted from 1."""
    yield from _parsed(path, path.read_text(encoding="utf-8"))


def _parsed(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.suffix == ".csv":
        reader = csv.DictReader(text.splitlines())
        for number, cells in enumerate(reader, 1):
            if None in cells or None in cells.values():
                raise UserError(
                    f"{path}: row {number}: has more or fewer cells than the header; write one "
                    "cell for each column"
                )
            yield number, {str(key).strip(): value for key, value in cells.items()}
        return
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number}: write a JSON object such as {{{STEP}: 0}}")
        yield number, row


def _step(row: dict[str, Any], place: str) -> int:
    value = row.get(STEP)
    try:
        step = int(value) if isinstance(value, str | int) else -1
    except ValueError:
        step = -1
    if isinstance(value, bool) or not 0 <= step <= MOST:
        shown = "missing" if value is None else repr(value)
        raise UserError(f"{place}: {STEP}: {shown}: write a whole number from 0 to {MOST:,}")
    return step


def _number(value: Any, place: str) -> float:
    if value is None or value == "":
        return math.nan
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError):
        raise UserError(f"{place}: {value!r}: write a number, or leave it empty") from None


def last_logged(path: Path) -> tuple[int, float] | None:
    """The last step and loss of a table that may still be growing; None if there is none yet."""
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rindex("\n") + 1]
        rows = list(_parsed(path, whole))
        _, row = rows[-1]
        return _step(row, ""), _number(row.get(LOSS), "")
    except (OSError, ValueError, IndexError, UserError):
        return None


def write_series(path: Path, steps: Sequence[int], series: Series) -> None:
    """Write the Parquet file. Equal values give equal bytes."""
    columns = {STEP: pa.array(steps, pa.int64())}
    columns |= {name: pa.array(values, pa.float64()) for name, values in series.items()}
    with atomic(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def read_series(path: Path) -> tuple[list[int], Series]:
    """Read the Parquet file. Raises FileNotFoundError, or DamagedError if it is not such a file."""
    try:
        table = pq.read_table(intact(path), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError) or getattr(error, "errno", None) is not None:
            raise
        raise DamagedError(path, f"not a trace: {str(error).splitlines()[0]}") from None
    names = table.column_names
    if names[:1] != [STEP] or LOSS not in names or not table.num_rows:
        raise DamagedError(path, "not a trace with steps and losses")
    return table[STEP].to_pylist(), {name: table[name].to_pylist() for name in names[1:]}


def first_difference(
    a: tuple[Sequence[int], Series], b: tuple[Sequence[int], Series]
) -> tuple[int, list[str]] | None:
    """The first step at which two traces differ, and the columns that do; None if they are equal to
    the bit. A step that only one trace logs differs in `step`."""
    (steps, one), (others, other) = a, b
    columns = sorted(one.keys() | other.keys())
    for row, (mine, theirs) in enumerate(zip(steps, others, strict=False)):
        if mine != theirs:
            return min(mine, theirs), [STEP]
        found = [
            name
            for name in columns
            # NaN equals NaN, and 0.0 differs from -0.0.
            if repr(one[name][row] if name in one else None)
            != repr(other[name][row] if name in other else None)
        ]
        if found:
            return mine, found
    longer, shorter = sorted((steps, others), key=len, reverse=True)
    return (longer[len(shorter)], [STEP]) if len(longer) > len(shorter) else None
