"""Read, write and compare traces, the per-step records of runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.errors import DamagedError
from noiseband.io.checksums import intact
from noiseband.io.files import atomic


@dataclass(frozen=True)
class Row:
    """One optimiser step."""

    step: int
    """Number of the step, counted from 0."""
    loss: float
    """Mean training loss over the step's slots before the weights change, in nats."""
    learning_rate: float
    """Learning rate of the step."""
    gradient_norm: float
    """Global norm of the gradient before clipping."""
    clipped: bool
    skipped: bool
    """Whether the weights were left unchanged because the gradient was not finite."""
    weights_checksum: int
    """Wrap-around sum of the weights' bits after the step."""
    muon_learning_rate: float | None = None
    """Learning rate of Muon's matrices; None in a recipe without Muon, whose trace has no such
    column."""
    sequences: int | None = None
    """Sequences in the step; None in a recipe whose batch does not grow, whose trace has no such
    column."""

    def record(self) -> dict[str, Any]:
        """The values by column, without those that the recipe does not have."""
        return {name: value for name, value in asdict(self).items() if value is not None}


_TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
SCHEMA = pa.schema(
    [(field.name, _TYPES[str(field.type)]) for field in fields(Row) if field.default is MISSING]
)
OPTIONAL = pa.schema(
    [
        (field.name, _TYPES[str(field.type).removesuffix(" | None")])
        for field in fields(Row)
        if field.default is None
    ]
)
"""The columns of some recipes, which follow those of `SCHEMA`."""


def table(rows: list[Row]) -> pa.Table:
    """Return the rows as an Arrow table with the schema of a trace file."""
    records = [row.record() for row in rows]
    names = {name for record in records for name in record}
    return pa.Table.from_pylist(records, schema=_schema(names))


def _schema(names: Collection[str]) -> pa.Schema:
    """The schema of a trace that has these columns."""
    return pa.schema([*SCHEMA, *(field for field in OPTIONAL if field.name in names)])


def write_trace(path: Path, rows: list[Row]) -> None:
    """Write `trace.parquet`. Equal rows give equal bytes."""
    with atomic(path) as temporary:
        pq.write_table(table(rows), temporary, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a trace file, or some of its columns.

    Raises FileNotFoundError, or DamagedError if the file is not a trace.
    """
    try:
        found = pq.read_table(intact(path), columns=columns, use_threads=False)
        expected = _schema(found.column_names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError) or getattr(error, "errno", None) is not None:
            raise  # The file is missing or unreadable, which says nothing about its content.
        raise DamagedError(path, f"not a trace: {str(error).splitlines()[0]}") from None
    if columns is not None:
        expected = pa.schema([SCHEMA.field(name) for name in columns])
    if found.schema != expected or any(column.null_count for column in found.columns):
        raise DamagedError(path, "not a trace: it has other columns, or gaps in them")
    if not found.num_rows:
        raise DamagedError(path, "a trace without steps")
    return found


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a trace file. Raises the same errors as `read_table`."""
    records: list[dict[str, Any]] = read_table(path).to_pylist()
    return [Row(**record) for record in records]


@dataclass(frozen=True)
class DifferentRow:
    """The first step at which two traces differ."""

    step: int
    columns: list[str]
    """Columns that differ, in the order of `Row`; only `step` if one trace ends before it."""


def first_different_row(a: list[Row], b: list[Row]) -> DifferentRow | None:
    """The first step at which two traces differ; None if they are equal to the bit."""
    for one, other in zip(a, b, strict=False):
        columns = [
            name
            for name, value in asdict(one).items()
            if repr(value) != repr(getattr(other, name))  # NaN equals NaN, 0.0 differs from -0.0
        ]
        if columns:
            return DifferentRow(one.step, columns)
    shorter, longer = sorted((a, b), key=len)
    return DifferentRow(longer[len(shorter)].step, ["step"]) if len(longer) > len(shorter) else None
