"""What the tests of readers share."""

from __future__ import annotations

from pathlib import Path

from noiseband.referee.raw import Raw
from noiseband.referee.readers import read


def written(folder: Path, content: str | bytes, name: str) -> str:
    """Write a file; return its path."""
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return str(folder / name)


def only(source: str, pattern: str | None = None) -> Raw:
    """Read the single run or table in a file."""
    (raw,) = read(source, pattern)
    return raw


def cells(raw: Raw) -> list[list[object]]:
    """The names of the columns, and then the cells of each row."""
    return [list(raw.table.columns), *raw.table.to_numpy().tolist()]
