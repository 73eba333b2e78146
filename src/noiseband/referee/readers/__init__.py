"""Read the runs of any known kind of file."""

from __future__ import annotations

import sys
from pathlib import Path

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.records import of_records, read_json, read_json_lines
from noiseband.referee.readers.tables import read_csv
from noiseband.referee.readers.text import decoded

STANDARD_INPUT = "standard input"
"""What `-` is called in messages."""


def read(source: str, pattern: str | None = None) -> list[Raw]:
    """The rows of a file, of standard input (`-`), or of each run in a folder.

    The kind of a file is found out from its content.

    Args:
        pattern: a regular expression with named groups; the file is then a log in which each
            match is a row.

    Raises UserError, with file and line or row, if the file cannot be read, is damaged, or is of no
    known kind.
    """
    if source == "-":
        return [_of_content(sys.stdin.buffer.read(), STANDARD_INPUT, pattern)]
    try:
        return [_of_content(Path(source).read_bytes(), source, pattern)]
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise _unreadable(source, error) from None


def _of_content(content: bytes, file: str, pattern: str | None) -> Raw:
    """The rows of a file with this content."""
    text = decoded(content, file)
    start = text.lstrip()[:1]
    return _of_json(text, file) if start in ("{", "[") else read_csv(text, file)


def _of_json(text: str, file: str) -> Raw:
    """The rows of a text in JSON: one document, or one on each line."""
    if _is_json_lines(text):
        return read_json_lines(text, file)
    value = read_json(text, file)
    if isinstance(value, list):
        return of_records(value, file)
    return of_records([value], file)


def _is_json_lines(text: str) -> bool:
    """Whether the first line of several is a whole object."""
    first, _, rest = text.strip().partition("\n")
    return first.startswith("{") and first.rstrip().endswith("}") and rest.strip() != ""


def _unreadable(source: str, error: Exception) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"{source}: no such file or folder")
    why = getattr(error, "strerror", None) or error
    return UserError(f"{source}: cannot be read ({why})")
