"""Read instruction rows in Alpaca's format or as conversations, and check each row."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from noiseband.corpus.chats import NoRow, as_row
from noiseband.corpus.row_faults import FIELDS, NO_ANSWER, fault, short
from noiseband.corpus.row_files import Value, read_values
from noiseband.errors import UserError

SHOWN = 5
"""The number of bad rows that a message describes; the others are only counted."""
FORMATS = "has neither instruction and output nor messages nor conversations"
"""The reason of a row in another format."""


def read_alpaca(
    file: Path, key: str, sha256: str | None, without_answer: Literal["error", "drop"]
) -> list[dict[str, Any]]:
    """Return the rows of a JSON list, of JSON lines or of Parquet, with only the keys in FIELDS.

    A row with several turns also has `turns`, those before the last question (see `chats.as_row`).
    Rows without an answer are left out if `without_answer` is `drop`, and are bad rows otherwise.

    Raises UserError if the file cannot be read, has another SHA-256 or is in none of these
    formats, or if it has bad rows. The message begins with the config's `key`, and gives the number
    and the fault of the first five bad rows. Rows are counted from 1; in JSON lines, the number is
    the line's.
    """
    values = read_values(file, key, sha256)
    return checked_rows(values, f"{key}: {file}", without_answer)


def checked_rows(
    values: Iterable[Value], place: str, without_answer: Literal["error", "drop"]
) -> list[dict[str, Any]]:
    """Return the rows of values from anywhere, checked as those of `read_alpaca`.

    Raises UserError, beginning with `place`, if there are bad rows.
    """
    rows: list[dict[str, Any]] = []
    bad: list[str] = []
    for number, value, reason in values:
        if reason is None:
            value, reason = _row(value)
        if reason is None:
            turns = {"turns": value["turns"]} if "turns" in value else {}
            rows.append({field: value.get(field, "") for field in FIELDS} | turns)
        elif reason != NO_ANSWER or without_answer == "error":
            bad.append(f"row {number}: {reason}")
    if bad:
        more = f"; and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
        remedy = f"correct or remove {'them' if len(bad) > 1 else 'it'}"
        if any(reason.endswith(NO_ANSWER) for reason in bad):
            remedy += ", or drop rows without an answer with `without_answer: drop`"
        raise UserError(f"{place}: {'; '.join(bad[:SHOWN])}{more}; {remedy}")
    return rows


def _row(value: Any) -> tuple[Any, str | None]:
    """Return a value as a row in Alpaca's format, and why it is none (None if it is one)."""
    try:
        row = as_row(value, NO_ANSWER)
    except NoRow as error:
        return value, str(error)
    if row is value and isinstance(value, dict):
        # `turns` of other people's rows mean something else.
        row = {field: value[field] for field in FIELDS if field in value}
        if not row and value:
            return value, f"{FORMATS}, but {short(list(value))}"
    return row, fault(row)
