"""Texts in a file, one at a time: rows of Parquet, lines of JSON, or all of a text file.

Read with pyarrow and the standard library rather than with `datasets`: the files lie on this disk
already, with their SHA-256 checked, and `datasets` would write all of them a second time as Arrow
files, or stream them through this same pyarrow.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.errors import UserError

ROWS = 1000
"""Rows of a Parquet file in memory at a time, if its pages are no larger."""


def count_texts(path: Path) -> int:
    """How many texts the file holds; of Parquet, without reading any."""
    if path.suffix == ".parquet":
        return int(_parquet(path).metadata.num_rows)
    return 1 if path.suffix == ".txt" else sum(1 for _ in _lines(path))


def read_texts(path: Path, column: str) -> Iterator[bytes]:
    """The texts of a file in their order, as UTF-8, or what the file has in its place.

    Args:
        path: ends in .parquet, .txt, or something else for lines of JSON (.gz: compressed).
        column: the column, or key of each line's object, that holds the text.

    Raises UserError, naming file and row (from 1), for what is no such file and no text.
    """
    if path.suffix == ".parquet":
        return _rows(path, column)
    return iter([path.read_bytes()]) if path.suffix == ".txt" else _objects(path, column)


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file ({_line(error)}); get it again") from None


def _rows(path: Path, column: str) -> Iterator[bytes]:
    file = _parquet(path)
    schema = file.schema_arrow
    if column not in schema.names:
        raise UserError(f"{path}: no column {column}; it has {', '.join(schema.names)}")
    number = 0
    try:
        for batch in file.iter_batches(ROWS, columns=[column], use_threads=False):
            # As bytes: text that is not UTF-8 could not be had otherwise.
            for value in batch.column(0).cast(pa.large_binary()).to_pylist():
                number += 1
                if value is None:
                    raise UserError(f"{path}: row {number}: {column} is null, not text")
                yield value
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path}: after row {number}: column {column} cannot be read as text ({_line(error)})"
        ) from None


def _objects(path: Path, column: str) -> Iterator[bytes]:
    for number, line in _lines(path):
        try:
            row = json.loads(line.decode("utf-8", "surrogateescape"))
        except ValueError as error:
            raise UserError(f"{path}: row {number}: not JSON ({error}); mend it") from None
        if not isinstance(row, dict) or not isinstance(row.get(column), str):
            raise UserError(f"{path}: row {number}: no object with a text {column}; mend it")
        yield _encoded(row[column])


def _encoded(text: str) -> bytes:
    """UTF-8; bytes that were none as they were, and half a surrogate pair as what is none."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers."""
    read = gzip.open if path.suffix == ".gz" else open
    try:
        with read(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.isspace():
                    yield number, line
    except (gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"{path}: not a whole gzip file ({error}); get it again") from None


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
