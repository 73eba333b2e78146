"""Read TensorBoard's event files: a run is one, or all those of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.tables import check_columns, table

NAME = "tfevents"
"""Text that is in the name of every event file."""
VERSION = b"brain.Event:"
"""Text that is in the first record of every event file."""
_FRAME = 16
"""Bytes that a record has besides its content: its length, and two checksums."""


def is_events(head: bytes, file: str) -> bool:
    """Whether a file that begins with these bytes is an event file."""
    return VERSION in head[:64] or (NAME in Path(file).name and not head.strip())


def event_folders(folder: str) -> dict[str, list[str]]:
    """The event files in and below a folder, by the folder that they are in, in order of name,
    which is that of time."""
    found: dict[str, list[str]] = {}
    for inside, folders, names in os.walk(folder):
        folders.sort()
        files = [str(Path(inside, name)) for name in sorted(names) if NAME in name]
        if files:
            found[inside] = files
    return found


def read_folders(folder: str, found: dict[str, list[str]]) -> list[Raw]:
    """The runs of a folder, each named by its own folder. One without a scalar is left out."""
    runs = []
    for inside, files in found.items():
        name = os.path.relpath(inside, folder)
        run = read_events(files, Path(folder).absolute().name if name == "." else name)
        runs += [] if run is None else [run]
    if not runs:
        raise UserError(f"{folder}: its event files have no scalar yet; read it again later")
    return runs


def read_event_file(file: str) -> Raw:
    """The run of one event file. Raises UserError if it has no scalar, or is damaged."""
    run = read_events([file], None)
    if run is None:
        raise UserError(f"{file}: no scalar in it yet; read it again later")
    return run


def read_events(files: Sequence[str], name: str | None) -> Raw | None:
    """One run, with a row for each step and a column for each tag; None if it has no scalar.

    What a later file says about a step replaces what an earlier one says: the run was resumed. A
    value has the precision of its file, which is that of 32 bits as a rule.

    Raises UserError if tensorboard is not installed, or the first record is damaged.
    """
    steps: dict[int, dict[str, float]] = {}
    notes: list[str] = []
    scalar: set[str] = set()
    for file in files:
        for event in _events(file, notes):
            for tag, value in _scalars(event, scalar):
                steps.setdefault(event.step, {})[tag] = value
    tags = list(dict.fromkeys(tag for row in steps.values() for tag in row))
    if not tags:
        return None
    columns = [*(["run"] if name is not None else []), "step", *tags]
    check_columns(columns, files[0], "its tags")
    first = [] if name is None else [name]
    rows = [[*first, step, *map(row.get, tags)] for step, row in sorted(steps.items())]
    return Raw(files[0], table(rows, columns, sorted(steps)), "step", tags, tuple(notes))


def _events(file: str, notes: list[str]) -> Iterator[Any]:
    """The whole events at the beginning of a file; a note says if there is more after them."""
    try:
        from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
        from tensorboard.compat.proto.event_pb2 import Event
    except ImportError:
        raise UserError(
            f"{file}: reading it needs tensorboard; run: pip install 'noiseband[tensorboard]'"
        ) from None

    size = Path(file).stat().st_size  # before reading, because the file may grow
    whole = 0
    for record in RawEventFileLoader(file).Load():
        try:
            event = Event.FromString(record)
        except Exception:  # protobuf's DecodeError: the record is whole, but no event
            break
        whole += len(record) + _FRAME
        yield event
    if whole < size and not whole:
        raise UserError(f"{file}: not an event file, or its first record is damaged; get it again")
    if whole < size:
        notes.append(
            f"{file}: damaged or not complete after {whole} of its {size} bytes; "
            "what comes after them is not read"
        )


def _scalars(event: Any, scalar: set[str]) -> Iterator[tuple[str, float]]:
    """The tags and values of an event. `scalar` gathers the tags that are said to be scalars: only
    the first event of a tag says so."""
    from tensorboard.util import tensor_util

    for value in event.summary.value:
        if value.metadata.plugin_data.plugin_name == "scalars":
            scalar.add(value.tag)
        if value.HasField("simple_value"):
            yield value.tag, value.simple_value
        elif value.HasField("tensor") and value.tag in scalar:
            try:
                yield value.tag, float(tensor_util.make_ndarray(value.tensor).item())
            except (TypeError, ValueError):
                continue  # no number
