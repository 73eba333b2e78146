"""Files that appear under their final name only when they are complete."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from noiseband.errors import DamagedError
from noiseband.io.checksums import intact, put

_LIBRARY_ERROR = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust (safetensors, tokenizers) report an error of the system."""


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


FINITE: dict[str, Any] = {"parse_float": _finite, "parse_constant": _finite}
"""Options that make Python reject NaN and infinities, which are not JSON. `write_json` never writes
them, and they would spread through every mean."""


@contextmanager
def atomic(path: Path, *, checksum: bool = True) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and rename it to `path` if the block succeeds.

    The data reaches the disk before the rename, so a crash leaves the old file or the new one.

    Raises OSError with the file's name if the disk is full or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        put(temporary, path, checksum)
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
        with suppress(OSError):  # A disk that cannot be written has no temporary file either.
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, *, checksum: bool = True) -> None:
    """Write UTF-8 text atomically, with its newlines unchanged."""
    with atomic(path, checksum=checksum) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any, *, checksum: bool = True) -> None:
    """Write indented JSON atomically. Keys keep their order, so callers must fix it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text, checksum=checksum)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write JSON lines atomically."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON with finite numbers. Raises DamagedError if the file is damaged or not that."""
    intact(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"), **FINITE)
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"not JSON: {error}") from error


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines. Raises DamagedError if the file is damaged or not JSON lines."""
    # Not splitlines(), which also splits at characters such as U+2028 that text may contain.
    with open(intact(path), encoding="utf-8", newline="\n") as file:
        try:
            return [json.loads(line, **FINITE) for line in file]
        except (ValueError, RecursionError) as error:
            raise DamagedError(path, f"not JSON lines: {error}") from error
