"""The files of a user's folder, and which of them a pattern chooses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path


def files_in(folder: Path) -> list[str]:
    """The names of all files in a folder and its sub-folders, relative to it and sorted.

    Links to files and to folders count like the files and folders themselves. A link to a folder
    that it is in is not followed.
    """
    return sorted(Path(path).relative_to(folder).as_posix() for path in _files(folder, frozenset()))


def chooses(pattern: str, name: str) -> bool:
    """Whether a pattern, whose `*` also matches `/`, chooses a file's name.

    As in a shell, only a pattern with a part that begins with a dot chooses hidden files and files
    in hidden folders, which editors, notebooks and file managers leave behind.
    """
    return fnmatchcase(name, pattern) and (_is_hidden(pattern) or not _is_hidden(name))


def _files(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    """The paths of the files. `above` identifies the folders that this one is in."""
    here = folder.stat()
    own = above | {(here.st_dev, here.st_ino)}
    if own == above:
        return
    for entry in list(os.scandir(folder)):
        if entry.is_dir():
            yield from _files(Path(entry.path), own)
        elif entry.is_file():
            yield entry.path


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
