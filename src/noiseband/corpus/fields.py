"""Fields of documents besides their text, such as a language: from a source's rows to a split."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from noiseband.corpus.documents import bad_line, valid_text
from noiseband.corpus.row_faults import short
from noiseband.errors import UserError
from noiseband.io.checksums import intact

KEY = "fields"
"""Key of a document's fields in a split file."""


def values_of(row: Mapping[str, Any], fields: Sequence[str], place: str) -> tuple[str, ...]:
    """The values of a row's fields as texts; a whole number becomes its digits.

    Args:
        fields: names of keys; a dot leads into a nested object, unless a key has it in its name.
        place: the file and the row, for errors.

    Raises:
        UserError: a field is missing, or neither a text nor a whole number.
    """
    return tuple(_value(row, field, place) for field in fields)


def read_field(path: Path, field: str, documents: range) -> list[str]:
    """The values of a field for consecutive documents of a split file, by their lines from 0.

    Raises UserError if the file is damaged, or has no such documents or no such field.
    """
    with open(intact(path), "rb") as file:
        found = list(_values(path, field, islice(enumerate(file), documents.start, documents.stop)))
    if len(found) < len(documents):
        raise UserError(
            f"{path}: has no line {documents.start + len(found) + 1}, but the tokens have such a "
            "document; tokenise the corpus again"
        )
    return found


def _values(path: Path, field: str, lines: Iterator[tuple[int, bytes]]) -> Iterator[str]:
    for number, line in lines:
        try:
            yield str(json.loads(line)[KEY][field])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise bad_line(path, number + 1, ValueError(f"no field {field}")) from None


def _value(row: Mapping[str, Any], field: str, place: str) -> str:
    found = _nested(row, field)
    if found is None:
        raise UserError(f"{place}: {field}: missing; add it, or leave it out of `fields`")
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise UserError(
            f"{place}: {field}: {short(found)} is neither a text nor a whole number; correct it, "
            "or leave it out of `fields`"
        )
    return valid_text(str(found))[0]


def _nested(row: Any, field: str) -> Any:
    if not isinstance(row, Mapping) or field in row:
        return row[field] if isinstance(row, Mapping) else None
    first, dot, rest = field.partition(".")
    return _nested(row.get(first), rest) if dot else None
