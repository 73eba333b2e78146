"""Reading of the texts in a file, one at a time: rows of Parquet, lines of JSON, or a text file.

This uses pyarrow and the standard library rather than `datasets`. The files are already on the
disk, with their SHA-256 checked, and `datasets` would either write all of them again as Arrow files
or stream them through pyarrow too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.corpus.documents import valid_text
from noiseband.corpus.encodings import is_garbled, lines, one_line, whole
from noiseband.corpus.fields import values_of
from noiseband.errors import UserError

ROWS = 1000
"""Number of rows of a Parquet file in memory at a time, unless its pages are larger."""


class Text(NamedTuple):
    """One text of a file."""

    text: str
    repaired: bool
    """Whether something in it was not valid UTF-8 (see `documents.valid_text`)."""
    fields: tuple[str, ...] = ()
    """The values of the fields that were asked for."""


def count_texts(path: Path) -> int:
    """Return the number of texts in a file. For Parquet, no text is read."""
    if path.suffix == ".parquet":
        return int(_parquet(path).metadata.num_rows)
    return 1 if _is_text(path) else sum(1 for _ in lines(path))


def read_texts(path: Path, column: str, fields: Sequence[str] = ()) -> Iterator[Text]:
    """Return the texts of a file in order.

    Args:
        path: a file ending in .parquet or .txt, or else a file of JSON lines. Except for Parquet,
            the name may end in .gz or .zst as well. `encodings` decompresses and decodes it.
        column: the column, or key of each line's object, that contains the text.
        fields: further columns or keys whose values come with each text (see `fields.values_of`).

    Raises UserError with file and row, counted from 1, if the file, a text or a field cannot be
    read.
    """
    if path.suffix == ".parquet":
        return _rows(path, column, fields)
    return iter([_text(path)]) if _is_text(path) else _objects(path, column, fields)


def _is_text(path: Path) -> bool:
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    return name.endswith(".txt")


def _text(path: Path) -> Text:
    text, repaired = valid_text(whole(path))
    if is_garbled(text):
        raise UserError(
            f"{path}: mostly control characters, or bytes that are not UTF-8; save it as UTF-8, or "
            "leave it out of `files`"
        )
    return Text(text, repaired)


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file ({one_line(error)}); get it again") from None


def _rows(path: Path, column: str, fields: Sequence[str]) -> Iterator[Text]:
    file = _parquet(path)
    names = file.schema_arrow.names
    # A dot in a field may lead into a nested column.
    tops = sorted({one if one in names else one.partition(".")[0] for one in fields})
    for name in (column, *tops):
        if name not in names:
            raise UserError(f"{path}: no column {name}; it has {', '.join(names)}")
    number = 0
    try:
        for batch in file.iter_batches(ROWS, columns=[column, *tops], use_threads=False):
            # Read as bytes, because text that is not UTF-8 could not be read otherwise.
            texts = batch.column(column).cast(pa.large_binary()).to_pylist()
            rows = batch.select(tops).to_pylist() if fields else repeat({}, len(texts))
            for value, row in zip(texts, rows, strict=True):
                number += 1
                if value is None:
                    raise UserError(f"{path}: row {number}: {column} is null, not text")
                place = f"{path}: row {number}"
                yield Text(*valid_text(value), values_of(row, fields, place))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: after row {number}: {', '.join(fields)} is not UTF-8 ({error}); correct it"
        ) from None
    except (pa.ArrowException, OSError) as error:
        place = f"{path}: after row {number}: column {column}"
        raise UserError(f"{place} cannot be read as text ({one_line(error)})") from None


def _objects(path: Path, column: str, fields: Sequence[str]) -> Iterator[Text]:
    for number, line in lines(path):
        written, broken = valid_text(line)
        try:
            row = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: row {number}: not JSON ({error}); correct it") from None
        if not isinstance(row, dict) or not isinstance(row.get(column), str):
            raise UserError(f"{path}: row {number}: no object with a text {column}; correct it")
        text, torn = valid_text(row[column])
        yield Text(text, broken or torn, values_of(row, fields, f"{path}: row {number}"))
