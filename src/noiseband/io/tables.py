"""Write dataclasses to CSV files and read them back with exactly the same values.

Each table has a dataclass whose fields are the columns, in order. Floats are written with `repr`,
so they are read back exactly, and None is an empty cell. A text that a spreadsheet would run as a
formula is written with an apostrophe in front, because spreadsheets then treat it as text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from noiseband.errors import DamagedError, NotMadeError, UserError, run_command
from noiseband.io.checksums import intact
from noiseband.io.files import write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ACTING = tuple("=+-@\t\r'")
"""A text that starts with one of these gets an apostrophe in front.

They are the characters that can start a formula, and the apostrophe itself, because `read_rows`
removes one.
"""

Row = TypeVar("Row", bound="DataclassInstance")


def write_rows(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """Write a table as CSV with a header. Equal rows give equal bytes."""
    columns = [field.name for field in fields(kind)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    whole = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = [_cell(getattr(row, column)) for column in columns]
        # Readers take a lone carriage return for a line end, but `writer` does not quote it.
        (whole if any("\r" in cell for cell in cells) else writer).writerow(cells)
    write_text(path, text.getvalue())


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read a table that `write_rows` wrote.

    Raises UserError if the file does not exist, is damaged or has other columns.
    """
    hints = get_type_hints(kind)
    cells = read_cells(path)
    if cells[:1] != [list(hints)]:
        remedy = f"make it again: {run_command(path, options='-f')}"
        raise UserError(f"{path}: not a table of {kind.__name__}; {remedy}")
    try:
        values = [
            {name: _value(cell, hints[name]) for name, cell in zip(hints, line, strict=True)}
            for line in cells[1:]
        ]
    except ValueError as error:
        raise DamagedError(path, f"not a table of {kind.__name__}: {error}") from error
    return [kind(**row) for row in values]


def read_cells(path: Path) -> list[list[str]]:
    """Return the cells of any CSV file as text, header first.

    Raises UserError if the file does not exist or is damaged.
    """
    try:
        text = intact(path).read_bytes().decode()
    except FileNotFoundError as error:
        raise NotMadeError(path) from error
    except UnicodeDecodeError as error:
        raise DamagedError(path, "not a table") from error
    return list(csv.reader(io.StringIO(text, newline="")))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ";".join(map(_cell, value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(ACTING) else value
    return repr(float(value)) if isinstance(value, float) else str(value)


def _value(cell: str, hint: Any) -> Any:
    if get_origin(hint) is tuple:
        kind = get_args(hint)[0]
        return tuple(_value(part, kind) for part in cell.split(";")) if cell else ()
    if isinstance(hint, UnionType):
        if not cell:
            return None
        hint = get_args(hint)[0]
    if hint is str:
        return cell.removeprefix("'")
    return cell == "true" if hint is bool else hint(cell)
