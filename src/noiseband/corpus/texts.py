"""Reading of the texts in a file, one at a time: rows of Parquet, lines of JSON, or a text file.

This uses pyarrow and the standard library rather than `datasets`. The files are already on the
disk, with their SHA-256 checked, and `datasets` would either write all of them again as Arrow files
or stream them through pyarrow too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.corpus.documents import valid_text
from noiseband.corpus.encodings import is_garbled, lines, one_line, whole
from noiseband.errors import UserError

ROWS = 1000
"""Number of rows of a Parquet file in memory at a time, unless its pages are larger."""


def count_texts(path: Path) -> int:
    """Return the number of texts in a file. For Parquet, no text is read."""
    if path.suffix == ".parquet":
        return int(_parquet(path).metadata.num_rows)
    return 1 if _is_text(path) else sum(1 for _ in lines(path))


def read_texts(path: Path, column: str) -> Iterator[tuple[str, bool]]:
    """Return the texts of a file in order, each with whether it was repaired (see `valid_text`).

    Args:
        path: a file ending in .parquet or .txt, or else a file of JSON lines. Except for Parquet,
            the name may end in .gz or .zst as well. `encodings` decompresses and decodes it.
        column: the column, or key of each line's object, that contains the text.

    Raises UserError with file and row, counted from 1, if the file or a text cannot be read.
    """
    if path.suffix == ".parquet":
        return _rows(path, column)
    return iter([_text(path)]) if _is_text(path) else _objects(path, column)


def _is_text(path: Path) -> bool:
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    return name.endswith(".txt")


def _text(path: Path) -> tuple[str, bool]:
    text, repaired = valid_text(whole(path))
    if is_garbled(text):
        raise UserError(
            f"{path}: mostly control characters, or bytes that are not UTF-8; save it as UTF-8, or "
            "leave it out of `files`"
        )
    return text, repaired


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file ({one_line(error)}); get it again") from None


def _rows(path: Path, column: str) -> Iterator[tuple[str, bool]]:
    file = _parquet(path)
    schema = file.schema_arrow
    if column not in schema.names:
        raise UserError(f"{path}: no column {column}; it has {', '.join(schema.names)}")
    number = 0
    try:
        for batch in file.iter_batches(ROWS, columns=[column], use_threads=False):
            # Read as bytes, because text that is not UTF-8 could not be read otherwise.
            for value in batch.column(0).cast(pa.large_binary()).to_pylist():
                number += 1
                if value is None:
                    raise UserError(f"{path}: row {number}: {column} is null, not text")
                yield valid_text(value)
    except (pa.ArrowException, OSError) as error:
        place = f"{path}: after row {number}: column {column}"
        raise UserError(f"{place} cannot be read as text ({one_line(error)})") from None


def _objects(path: Path, column: str) -> Iterator[tuple[str, bool]]:
    for number, line in lines(path):
        written, broken = valid_text(line)
        try:
            row = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: row {number}: not JSON ({error}); correct it") from None
        if not isinstance(row, dict) or not isinstance(row.get(column), str):
            raise UserError(f"{path}: row {number}: no object with a text {column}; correct it")
        text, torn = valid_text(row[column])
        yield text, broken or torn
