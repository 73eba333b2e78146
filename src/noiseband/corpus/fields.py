"""Fields of documents besides their text, such as a language, by which a loss can be sliced.

They are read from the sources again, into a file for each split that needs them, so that they
change nothing in a corpus or in what is made of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.corpus.documents import read_documents, valid_text
from noiseband.corpus.encodings import lines, one_line
from noiseband.corpus.row_documents import FileDocuments, StreamedDocuments
from noiseband.corpus.row_faults import short
from noiseband.corpus.sources import Read, open_sources
from noiseband.errors import UserError
from noiseband.io.checksums import intact
from noiseband.io.files import atomic
from noiseband.study.corpora import AnySource

ROWS = 1000
"""Rows of a Parquet file in memory at a time."""

Row = tuple[int, str, Any]
"""A document's place in the split, the place of its row for messages, and the row."""


def write_fields(
    sources: list[AnySource], fields: Sequence[str], documents: Path, out: Path
) -> None:
    """Write the fields of each document of a split as Parquet, a column of texts for each field.

    A value is a text, or the digits of a whole number. A dot in a field leads into a nested object,
    unless a key has it in its name. The memory grows with the number of documents in the split.

    Args:
        sources: the corpus's sources, all of files with rows, or of data sets.
        documents: the documents of the split, as `build_corpus` writes them.

    Raises:
        UserError: a source cannot be read, or the row of a document has no such field.
    """
    places = {document.id: place for place, document in enumerate(read_documents(documents))}
    found: list[dict[str, str] | None] = [None] * len(places)
    for source in open_sources(sources):
        for place, where, row in _rows(source, fields, places):
            found[place] = {field: _value(row, field, where) for field in fields}
    missing = next((name for name, place in places.items() if found[place] is None), None)
    if missing is not None:
        raise UserError(f"{documents}: {missing} is in no source; build the corpus again")
    columns = {
        field: pa.array([values[field] for values in found if values], pa.string())
        for field in fields
    }
    with atomic(out) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def read_field(path: Path, field: str, documents: range) -> list[str]:
    """The values of a field for consecutive documents, by their numbers in the split from 0.

    Raises UserError if the file is damaged, or has no such documents.
    """
    column = pq.read_table(intact(path))[field]
    if documents.stop > len(column):
        raise UserError(
            f"{path}: has {len(column):,} documents, and the tokens have more; remove it, and "
            "tokenise the corpus again"
        )
    return [str(value) for value in column[documents.start : documents.stop].to_pylist()]


def _rows(source: Read, fields: Sequence[str], places: Mapping[str, int]) -> Iterator[Row]:
    """The rows of a source whose documents are in the split."""
    if isinstance(source, StreamedDocuments):
        for number, row in enumerate(source.rows):
            place = places.get(f"{source.prefix}{source.source.split}/{number}")
            if place is not None:
                yield place, f"{source.place}: row {number + 1}", row
        return
    assert isinstance(source, FileDocuments)  # The config refuses fields of others.
    for name, path in source.files.items():
        wanted = f"{source.prefix}{name}/", places
        parquet = path.suffix == ".parquet"
        yield from _parquet(path, fields, *wanted) if parquet else _objects(path, *wanted)


def _objects(path: Path, start: str, places: Mapping[str, int]) -> Iterator[Row]:
    # As the corpus reads them: blank lines are no rows, and text that is not UTF-8 is repaired.
    for row, (number, line) in enumerate(lines(path)):
        place = places.get(f"{start}{row}")
        if place is not None:
            yield place, f"{path}: row {number}", json.loads(valid_text(line)[0])


def _parquet(
    path: Path, fields: Sequence[str], start: str, places: Mapping[str, int]
) -> Iterator[Row]:
    row = 0
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        tops = sorted({one if one in names else one.partition(".")[0] for one in fields})
        for top in tops:
            if top not in names:
                raise UserError(f"{path}: no column {top}; it has {', '.join(names)}")
        for batch in file.iter_batches(ROWS, columns=tops, use_threads=False):
            for value in batch.to_pylist():
                place = places.get(f"{start}{row}")
                row += 1
                if place is not None:
                    yield place, f"{path}: row {row}", value
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: after row {row}: {', '.join(fields)} cannot be read ({one_line(error)}); "
            "correct it"
        ) from None


def _value(row: Any, field: str, place: str) -> str:
    found = _nested(row, field)
    if found is None:
        raise UserError(f"{place}: {field}: missing; add it, or leave `by` out")
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise UserError(
            f"{place}: {field}: {short(found)} is neither a text nor a whole number; correct it, "
            "or leave `by` out"
        )
    return valid_text(str(found))[0]


def _nested(row: Any, field: str) -> Any:
    if not isinstance(row, Mapping):
        return None
    if field in row:
        return row[field]
    first, dot, rest = field.partition(".")
    return _nested(row.get(first), rest) if dot else None
