"""Checksums kept with files, so that a damaged file is noticed when it is read.

The SHA-256 of `<folder>/<name>` is in `<folder>/.checksums/<name>`, in one line as `sha256sum`
writes it. Every reader checks it first, so a flipped bit, a truncated file or another file in its
place is reported before any result uses it. A file without a checksum, which another program
wrote, is not checked.

An undamaged file is never reported. Only `put` puts a file in place, one process at a time. It
removes the old checksum before it replaces the file and writes the new one afterwards, so a process
that is killed in between leaves a file without a checksum; and a reader that finds a difference
reads the checksum again. Snakemake also puts files in place, and does not know about checksums:

* A cache (`--cache`) links to files that others may change, so links are not checked. If the cache
  copies files instead, `dag.scheduling.forget_shared_checksums` has already removed the checksums
  of the files that it may replace.
* A storage (S3) transfers declared files only, so `dag.scheduling.no_checksums_in_storage` sets
  `SWITCH`, and checksums are neither written nor checked.

Some files have no checksum: files that grow (journals, logs), files that verify themselves
(checkpoints), and files for other people (exports, crates, publications, the page).
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePath

from noiseband.errors import DamagedError

CHECKSUMS = ".checksums"
"""Name of the folder, in each folder of files, that contains their checksums."""

SWITCH = "NOISEBAND_CHECKSUMS"
"""Environment variable. If it is `none`, checksums are neither written nor checked."""

_LINE = re.compile(rb"([0-9a-f]{64})  \.\./(.+)\n", re.DOTALL)


def checksumming() -> bool:
    """Whether checksums are written and checked."""
    return os.environ.get(SWITCH) != "none"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_checksum(path: PurePath) -> bool:
    """Whether a file contains the checksum of another file."""
    return path.parent.name == CHECKSUMS


def put(temporary: Path, path: Path, checksum: bool) -> None:
    """Rename a finished file into its place, and update its checksum.

    While the file is being replaced, it has no checksum.
    """
    place = _place(path)
    line = None
    if checksum and checksumming():
        line = f"{file_sha256(temporary)}  ../{path.name}\n".encode()
    if line is None or _read(place) != line:
        place.unlink(missing_ok=True)
    os.replace(temporary, path)
    if line is not None and _read(place) != line:
        place.parent.mkdir(exist_ok=True)
        written = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        try:
            with open(written, "wb") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            os.replace(written, place)
        finally:
            written.unlink(missing_ok=True)


def is_intact(path: Path) -> bool:
    """Whether a file has the content that was written, or has no checksum that shows otherwise."""
    while True:
        line = _read(_place(path)) if checksumming() and not path.is_symlink() else None
        wanted = _LINE.fullmatch(line) if line is not None else None
        if wanted is None or wanted[2] != os.fsencode(path.name):
            return True
        if wanted[1] == file_sha256(path).encode():
            return True
        if _read(_place(path)) == line:
            return False  # A new checksum means that another process has replaced the file.


def intact(path: Path) -> Path:
    """Return `path` itself. Raises DamagedError if the file is not what was written."""
    if path.is_file() and not is_intact(path):
        raise DamagedError(path, "not the bytes that were written")
    return path


def _place(path: Path) -> Path:
    return path.parent / CHECKSUMS / path.name


def _read(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
