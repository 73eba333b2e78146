"""The per-step record of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
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
    """Counted from 0."""
    loss: float
    """Mean training loss over the slots, nats, before the step."""
    learning_rate: float
    """The rate that the step used."""
    gradient_norm: float
    """Global norm before clipping."""
    clipped: bool
    skipped: bool
    """Whether the gradient was not finite, so that the weights stayed as they were."""
    weights_checksum: int
    """Wrap-around sum of the weights' bits after the step."""


_TYPES = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
SCHEMA = pa.schema([(field.name, _TYPES[str(field.type)]) for field in fields(Row)])


def table(rows: list[Row]) -> pa.Table:
    """Rows as an Arrow table with the schema of the trace file."""
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)


def write_trace(path: Path, rows: list[Row]) -> None:
    """Write `trace.parquet`; equal rows give equal bytes."""
    with atomic(path) as temporary:
        pq.write_table(table(rows), temporary, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A trace file, or some of its columns.

    Raises FileNotFoundError, and DamagedError for a file that is no trace.
    """
    try:
        found = pq.read_table(intact(path), columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError) or getattr(error, "errno", None) is not None:
            raise  # not there, or not to be read: no word about what is in it
        raise DamagedError(path, f"not a trace: {str(error).splitlines()[0]}") from None
    wanted = SCHEMA if columns is None else pa.schema([SCHEMA.field(name) for name in columns])
    if not found.schema.equals(wanted) or any(column.null_count for column in found.columns):
        raise DamagedError(path, "not a trace: it has other columns, or gaps in them")
    if not found.num_rows:
        raise DamagedError(path, "a trace without any step")
    return found


def read_rows(path: Path) -> list[Row]:
    """The rows of a trace file. Raises as `read_table` does."""
    records: list[dict[str, Any]] = read_table(path).to_pylist()
    return [Row(**record) for record in records]


@dataclass(frozen=True)
class DifferentRow:
    """The first step at which two traces differ."""

    step: int
    columns: list[str]
    """Those that differ, in the order of a row; `step` where one trace is shorter."""


def first_different_row(a: list[Row], b: list[Row]) -> DifferentRow | None:
    """The first step whose records differ, or None. Floats are compared by their bits."""
    for one, other in zip(a, b, strict=False):
        columns = [
            name
            for name, value in asdict(one).items()
            if repr(value) != repr(getattr(other, name))  # NaN is itself, 0.0 is not -0.0
        ]
        if columns:
            return DifferentRow(one.step, columns)
    shorter, longer = sorted((a, b), key=len)
    return DifferentRow(longer[len(shorter)].step, ["step"]) if len(longer) > len(shorter) else None
