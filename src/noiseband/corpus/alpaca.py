"""Instruction rows in Alpaca's format, as people share them, checked row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from noiseband.errors import UserError

FIELDS = ("instruction", "input", "output")
SHOWN = 5
"""Bad rows named in a message; the others are counted."""
NO_ANSWER = "output is empty"


def read_alpaca(
    file: Path, key: str, sha256: str | None, without_answer: Literal["error", "drop"]
) -> list[dict[str, str]]:
    """The rows of a JSON list or of JSON lines, in their order: `instruction`, `input`, `output`.

    Rows are counted from 1, those of JSON lines as the file's lines. Other keys are left out, and
    so are rows without an answer where `without_answer` says `drop`.

    Raises UserError, which begins with the config's `key`, for a file that is not there, has
    another SHA-256 or is no JSON in UTF-8, and for bad rows: the first five by number and reason.
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
        remedy = f"mend or remove {'them' if len(bad) > 1 else 'it'}"
        if any(reason.endswith(NO_ANSWER) for reason in bad):
            remedy += ", or leave rows without an answer out with `without_answer: drop`"
        raise UserError(f"{key}: {file}: {'; '.join(bad[:SHOWN])}{more}; {remedy}")
    return rows


def fault(value: Any) -> str | None:
    """Why a value is no question with an answer; None if it is one."""
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
            return f"{field} has half a surrogate pair, which is no character"
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
        return "nested too deep"
    return text if len(text) <= 40 else text[:37] + "..."


def _text(file: Path, key: str, sha256: str | None) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{key}: cannot read {file} ({error.strerror}); correct it") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise UserError(
            f"{key}: {file} has SHA-256 {found}, sha256 says {sha256}; get the file that is meant, "
            "or correct the digest"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{key}: {file}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error


def _values(file: Path, text: str, key: str) -> Iterator[tuple[int, Any, str | None]]:
    """Each row's number, its value, and why that could not be read: of a list, or line by line."""
    if text.lstrip().startswith("["):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise UserError(f"{key}: {file}: not JSON ({error}); mend it") from error
        except RecursionError:
            raise UserError(f"{key}: {file}: JSON nested too deep; mend it") from None
        yield from ((number, value, None) for number, value in enumerate(values, start=1))
        return
    # Not splitlines(): text may contain characters that it takes for line ends (U+2028).
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line), None
            except ValueError as error:
                yield number, None, f"not JSON ({error})"
            except RecursionError:
                yield number, None, "JSON nested too deep"
