"""Read the runs of any known kind of file."""

from __future__ import annotations

import sys
from pathlib import Path

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers import events, parquet, study_results, trackio_database
from noiseband.referee.readers.harness import is_harness, read_harness
from noiseband.referee.readers.logs import compiled, read_log
from noiseband.referee.readers.panels import is_panel, read_panel
from noiseband.referee.readers.records import of_records, read_json, read_json_lines
from noiseband.referee.readers.tables import read_csv
from noiseband.referee.readers.text import decoded
from noiseband.referee.readers.trainer_state import is_trainer_state, read_trainer_state

HEAD = 64
"""The number of bytes that tell the kinds of binary files."""
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
    if pattern is not None:
        compiled(pattern)
    if source == "-":
        return [_of_content(sys.stdin.buffer.read(), STANDARD_INPUT, pattern)]
    try:
        if Path(source).is_dir():
            return _of_folder(source, pattern)
        return [_of_file(source, pattern)]
    except FileNotFoundError:
        raise UserError(f"{source}: no such file or folder") from None
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror or error})") from None


def _of_folder(folder: str, pattern: str | None) -> list[Raw]:
    """The runs in a folder."""
    if pattern is not None:
        raise UserError(f"{folder}: a folder, but --pattern is for files; give its log files")
    if runs := study_results.run_folders(folder):
        return [study_results.read_study(folder, runs)]
    if found := events.event_folders(folder):
        return events.read_folders(folder, found)
    raise UserError(f"{folder}: no event file and no study in it; give the files in it")


def _of_file(source: str, pattern: str | None) -> Raw:
    """The rows of a file, which may be a pipe and so is opened once."""
    try:
        file = open(source, "rb")  # noqa: SIM115
    except ValueError:
        raise UserError(f"{source!r}: no name of a file") from None
    with file:
        head = file.read(HEAD)
        if pattern is None and events.is_events(head, source):
            return events.read_event_file(source)
        if pattern is None and head.startswith(trackio_database.MAGIC):
            return trackio_database.read_trackio(source)
        return _of_content(head + file.read(), source, pattern)


def _of_content(content: bytes, file: str, pattern: str | None) -> Raw:
    """The rows of a file with this content."""
    if pattern is not None:
        return read_log(decoded(content, file, exact=False), file, pattern)
    if content.startswith(parquet.MAGIC):
        return parquet.read_parquet(content, file)
    text = decoded(content, file)
    if text.lstrip()[:1] in ("{", "["):
        return _of_json(text, file)
    table = read_csv(text, file)
    return read_panel(table) if is_panel(table) else table


def _of_json(text: str, file: str) -> Raw:
    """The rows of a text in JSON: one document, or one on each line."""
    if _on_lines(text):
        return read_json_lines(text, file)
    value = read_json(text, file)
    if is_trainer_state(value):
        return read_trainer_state(value, file)
    if is_harness(value):
        return read_harness(value, file)
    return of_records(value if isinstance(value, list) else [value], file)


def _on_lines(text: str) -> bool:
    """Whether the first line of several is a whole object."""
    first, _, rest = text.strip().partition("\n")
    return first.startswith("{") and first.rstrip().endswith("}") and rest.strip() != ""
