"""The user's own files that decide a result, such as a script: which they are, and their digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from noiseband.io.checksums import file_sha256

LEFT_OUT = ("__pycache__",)
"""Folders that decide no result; hidden files and folders are left out too."""


def files_of(path: Path) -> Iterator[Path]:
    """A file, or the files in a folder and its folders, sorted, without those that decide nothing.

    Raises OSError if a folder cannot be read.
    """
    if not path.is_dir():
        yield path
        return
    for name in sorted(os.listdir(path)):  # noqa: PTH208
        if not name.startswith(".") and name not in LEFT_OUT:
            yield from files_of(path / name)


def files_sha256(paths: Iterable[str]) -> str:
    """SHA-256 over the names and contents of files and of all files in folders, in this order.

    Raises OSError if one cannot be read.
    """
    whole = hashlib.sha256()
    for given in paths:
        for file in files_of(Path(given)):
            status = file.stat()
            known = _sha256(file, status.st_mtime_ns, status.st_size)
            whole.update(f"{known}  {os.fsencode(file)!r}\n".encode())
    return whole.hexdigest()


@cache
def _sha256(file: Path, modified: int, size: int) -> str:
    """The SHA-256 of a file, computed once for each of its contents."""
    return file_sha256(file)
