"""Checksums kept with files, so that a damaged file is known when it is read.

The SHA-256 of `<folder>/<name>` is in `<folder>/.checksums/<name>`, one line as `sha256sum`
writes it. Whatever reads the file compares it first, so a flipped bit, a file that was cut short or
another file in its place is reported and never becomes a number. A file without a checksum, which
another program wrote, is taken as it is.

A checksum never accuses a good file, because it belongs to a regular file that only `put` puts in
place, one process at a time. The old checksum is removed before the file is replaced and the new
one is written afterwards, so a process that is killed in between leaves a file without a checksum;
and a reader who finds a difference reads the checksum again. Where Snakemake itself puts files in
place, it knows nothing of checksums:

* A cache (`--cache`) links to files that others may change, so links are not compared. Where it
  copies files, `dag.scheduling.forget_shared_checksums` has removed the checksums of what it may
  replace.
* A storage (S3) transfers declared files only, so `dag.scheduling.no_checksums_in_storage` sets
  `SWITCH`, and checksums are neither written nor compared.

Some files have none: files that grow (journals, logs), files that verify themselves (checkpoints),
and files for other people (exports, crates, publications, the page).
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path, PurePath

from noiseband.errors import DamagedError

CHECKSUMS = ".checksums"
"""Folder of the checksums of the files in the folder above it."""

SWITCH = "NOISEBAND_CHECKSUMS"
"""Environment variable: with `none`, checksums are neither written nor compared."""

_LINE = re.compile(rb"([0-9a-f]{64})  \.\./(.+)\n", re.DOTALL)


def checksumming() -> bool:
    """Whether checksums are written and compared."""
    return os.environ.get(SWITCH) != "none"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_checksum(path: PurePath) -> bool:
    """Whether a file is the checksum of another, and so not one of a folder's own."""
    return path.parent.name == CHECKSUMS


def put(temporary: Path, path: Path, checksum: bool) -> None:
    """Rename a finished file into its place, and bring its checksum up to date.

    While the file is being replaced it has no checksum.
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
    """Whether a file is what was written, as far as that is known."""
    while True:
        line = _read(_place(path)) if checksumming() and not path.is_symlink() else None
        wanted = _LINE.fullmatch(line) if line is not None else None
        if wanted is None or wanted[2] != os.fsencode(path.name):
            return True
        if wanted[1] == file_sha256(path).encode():
            return True
        if _read(_place(path)) == line:
            return False  # otherwise another process has written the file in the meantime


def intact(path: Path) -> Path:
    """The path. Raises DamagedError where the file is not what was written."""
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
