"""Read instruction rows in Alpaca's format, and check each row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from noiseband.errors import UserError

FIELDS = ("instruction", "input", "output")
SHOWN = 5
"""The number of bad rows that a message describes; the others are only counted."""
NO_ANSWER = "output is empty"


def read_alpaca(
    file: Path, key: str, sha256: str | None, without_answer: Literal["error", "drop"]
) -> list[dict[str, str]]:
    """Return the rows of a JSON list or of JSON lines, in order, with only the keys in FIELDS.

    Rows without an answer are left out if `without_answer` is `drop`, and are bad rows otherwise.

    Raises UserError if the file cannot be read, has another SHA-256 or is not JSON in UTF-8, or if
    it has bad rows. The message begins with the config's `key`, and gives the number and the fault
    of the first five bad rows. Rows are counted from 1; in JSON lines, the number is the line's.
    """
    rows: list[dict[str, str]] = []
    bad: list[str] = []
    for number, value, reason in _values(file, _text(file, key, sha256), key):
        reason = reason or fault(value)
        if reason is None:
            rows.append({field: value.get(field, "") for field in FIELDS})
        elif reason != NO_ANSWER or without_answer == "error":
            bad.append(f"row {number}: {reason}")
    if bad:
        more = f"; and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
        remedy = f"correct or remove {'them' if len(bad) > 1 else 'it'}"
        if any(reason.endswith(NO_ANSWER) for reason in bad):
            remedy += ", or drop rows without an answer with `without_answer: drop`"
        raise UserError(f"{key}: {file}: {'; '.join(bad[:SHOWN])}{more}; {remedy}")
    return rows


def fault(value: Any) -> str | None:
    """Return why a value is not a question with an answer, or None if it is one."""
    if not isinstance(value, dict):
        return f"not a JSON object but {_short(value)}"
    for field in FIELDS:
        text = value.get(field, "" if field == "input" else None)
        if text is None and field not in value:
            return f"{field} is missing"
        if not isinstance(text, str):
            return f"{field} is {_short(text)}, not text"
        if field == "instruction" and not text.strip():
            return "instruction is empty"
        if not _is_unicode(text):
            return f"{field} has half a surrogate pair, which is not a character"
    return None if value["output"].strip() else NO_ANSWER


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: Any) -> str:
    try:
        text = json.dumps(value)
    except RecursionError:
        return "a value that is nested too deeply"
    return text if len(text) <= 40 else text[:37] + "..."


def _text(file: Path, key: str, sha256: str | None) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{key}: cannot read {file} ({error.strerror}); correct it") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise UserError(
            f"{key}: {file} has SHA-256 {found}, but sha256 is {sha256}; get the right file, or "
            "correct sha256"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{key}: {file}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def _values(file: Path, text: str, key: str) -> Iterator[tuple[int, Any, str | None]]:
    """Yield each row's number, its value, and the reason if the row is not JSON (else None)."""
    if text.lstrip().startswith("["):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise UserError(f"{key}: {file}: not JSON ({error}); correct it") from error
        except RecursionError:
            raise UserError(f"{key}: {file}: JSON nested too deeply; correct it") from None
        yield from ((number, value, None) for number, value in enumerate(values, start=1))
        return
    # splitlines() would also split at characters such as U+2028, which text may contain.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line), None
            except ValueError as error:
                yield number, None, f"not JSON ({error})"
            except RecursionError:
                yield number, None, "JSON nested too deeply"
