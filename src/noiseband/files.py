"""Files that appear under their final name only when complete, and are known again when read.

Beside what a stage writes lies `.sums/<name>` with its SHA-256, a line as `sha256sum` writes it.
What reads the file compares first, so that a flipped bit, a cut or another file in its place is
named before it becomes a number. A file without a sum (another program wrote it) is taken as it is.

A sum never accuses a good file, because it is of a regular file that only these functions put in
place, one process at a time. The old sum goes before the file does and the new one comes after it,
so that there is none for a moment, whatever is killed; and a reader who finds other bytes than the
sum's looks at the sum again. Where Snakemake puts files in place itself it would not know of ours:

* a cache (`--cache`) links to files that others may change: links are not compared; and where it
  copies, `scheduling.forget_shared_sums` has removed the sums of what it may replace;
* a storage (S3) brings declared files alone: `scheduling.no_sums_in_storage` then sets `SWITCH`,
  and sums are neither written nor compared.

Not summed are files that grow (journals, logs), that check themselves (checkpoints), and that are
for other people (exports, crates, publications, the page).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any

from noiseband.errors import DamagedError

SUMS = ".sums"
"""Folder of the sums of the files beside it."""

SWITCH = "NOISEBAND_SUMS"
"""Environment variable: with `none`, sums are neither written nor compared."""

_LINE = re.compile(rb"([0-9a-f]{64})  \.\./(.+)\n", re.DOTALL)
_LIBRARY_ERROR = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust (safetensors, tokenizers) report what the system refused."""


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


FINITE: dict[str, Any] = {"parse_float": _finite, "parse_constant": _finite}
"""What Python takes for JSON and is none, such as NaN, is an error: `write_json` never writes it,
and it would spread through every mean."""


@contextmanager
def atomic(path: Path, *, summed: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` if the block succeeds.

    The data reaches the disk before the rename, so a crash leaves the old file or the new one.

    Raises OSError with the file's name where the disk is full or may not be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        _put(temporary, path, summed and summing())
    except OSError as error:
        named = {str(error.filename), str(error.filename2)}
        if error.errno is not None and (error.filename is None or str(temporary) in named):
            error.filename, error.filename2 = str(path), None
        raise
    except Exception as error:
        refused = _LIBRARY_ERROR.search(str(error))
        if refused is None:
            raise
        number = int(refused[1])
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        with suppress(OSError):  # a disk that may not be written has no such file either
            temporary.unlink(missing_ok=True)


def _put(temporary: Path, path: Path, summed: bool) -> None:
    """Rename, and bring the sum up to date; there is none while it would be of another file."""
    place = _place(path)
    line = f"{file_sha256(temporary)}  ../{path.name}\n".encode() if summed else None
    if line is None or _read(place) != line:
        place.unlink(missing_ok=True)
    os.replace(temporary, path)
    if line is not None and _read(place) != line:
        with atomic(place, summed=False) as written:
            written.write_bytes(line)


def _place(path: Path) -> Path:
    return path.parent / SUMS / path.name


def _read(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_sum(path: PurePath) -> bool:
    """Whether a file is the sum of another, and so none of a folder's own."""
    return path.parent.name == SUMS


def summing() -> bool:
    """Whether sums are written and compared."""
    return os.environ.get(SWITCH) != "none"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(path: Path) -> bool:
    """Whether a file is what was written, as far as that is known."""
    while True:
        line = _read(_place(path)) if summing() and not path.is_symlink() else None
        wanted = _LINE.fullmatch(line) if line is not None else None
        if wanted is None or wanted[2] != os.fsencode(path.name):
            return True
        if wanted[1] == file_sha256(path).encode():
            return True
        if _read(_place(path)) == line:
            return False  # else somebody has written it meanwhile


def intact(path: Path) -> Path:
    """The path. Raises DamagedError where the file is not what was written."""
    if path.is_file() and not is_intact(path):
        raise DamagedError(path, "not the bytes that were written")
    return path


def write_text(path: Path, text: str, *, summed: bool = True) -> None:
    """Write UTF-8 text atomically, with the newlines it has."""
    with atomic(path, summed=summed) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any, *, summed: bool = True) -> None:
    """Write readable JSON atomically; keys keep their order, so give them a fixed one."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text, summed=summed)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, atomically."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """JSON of finite numbers. Raises DamagedError where the file is damaged or no such JSON."""
    intact(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"), **FINITE)
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"not JSON: {error}") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The objects in a file of one a line. Raises DamagedError where it is damaged or no JSON."""
    # Not splitlines(): text may contain characters that it takes for line ends (U+2028).
    with open(intact(path), encoding="utf-8", newline="\n") as file:
        try:
            return [json.loads(line, **FINITE) for line in file]
        except (ValueError, RecursionError) as error:
            raise DamagedError(path, f"not JSON lines: {error}") from error
