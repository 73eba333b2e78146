"""Read tables in CSV. Cells stay text, exactly as they are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.terminal import one_line

DELIMITERS = (",", ";", "\t")
LARGEST_CELL = 1 << 24
"""The number of characters that a cell may have."""


def read_csv(text: str, file: str) -> Raw:
    """Read a table whose delimiter is the one that divides its header into most columns.

    Raises UserError for a header that is no header, and for a row that has not as many cells as it.
    """
    delimiter, header = _header(text, file)
    lines = list(_lines(text, file, delimiter))[1:]
    for line, cells in lines:
        if len(cells) != len(header):
            raise UserError(
                f"{file}, line {line}: {len(cells)} cells, but the header has {len(header)} "
                f"columns; put a text that has {_said(delimiter)} in it in quotes"
            )
    if not lines:
        raise UserError(f"{file}: a header only, and no run in it; add a row for each run")
    rows = [[cell or None for cell in cells] for _, cells in lines]
    return Raw(file, table(rows, header, [line for line, _ in lines]))


def table(
    rows: Sequence[Sequence[Any]], columns: Sequence[str], index: Sequence[Any]
) -> pd.DataFrame:
    """A table of these cells. pandas changes none of them, and None stays None."""
    return pd.DataFrame(list(rows), columns=list(columns), index=list(index), dtype=object)


def check_columns(names: Sequence[str], file: str, place: str) -> None:
    """Raise UserError for names of columns that are empty or occur twice."""
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name:
            raise UserError(
                f"{file}, {place}: column {number} has no name; name it, or write the table "
                "without it (pandas: index=False)"
            )
        if name in seen:
            raise UserError(
                f"{file}, {place}: two columns are named {one_line(name)}; rename one of them"
            )
        seen.add(name)


def _header(text: str, file: str) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns."""
    found: list[tuple[str, list[str], int]] = []
    for delimiter in DELIMITERS:
        try:
            line, cells = next(_lines(text, file, delimiter), (0, []))
        except UserError:
            if delimiter == DELIMITERS[-1] and not found:
                raise
            continue  # a quote before another delimiter
        found.append((delimiter, [cell.strip() for cell in cells], line))
    delimiter, header, line = max(found, key=lambda one: len(one[1]))
    if not header:
        raise UserError(f"{file}: empty, no run in it; give a file with a row for each run")
    if len(header) == 1 and (header[0].split() != [header[0]] or header[0][0] in "{[<"):
        raise UserError(
            f"{file}, line {line}: no table, for its first line has no comma, semicolon or tab; "
            "if it is a log, say with --pattern what to look for"
        )
    check_columns(header, file, f"line {line}")
    return delimiter, header


def _lines(text: str, file: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that is not blank, with the number of the line where it begins."""
    limit = csv.field_size_limit(LARGEST_CELL)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in rows:
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield line, cells
            line = rows.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{file}, line {line}: no table in CSV ({error}); look at the quotes there"
        ) from None
    finally:
        csv.field_size_limit(limit)


def _said(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}[delimiter]
