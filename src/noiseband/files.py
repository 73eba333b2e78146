"""Files that appear under their final name only when complete."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


FINITE: dict[str, Any] = {"parse_float": _finite, "parse_constant": _finite}
"""What Python takes for JSON and is none, such as NaN, is an error: `write_json` never writes it,
and it would spread through every mean."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` if the block succeeds.

    The data reaches the disk before the rename, so a crash leaves the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with the newlines it has."""
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically; keys keep their order, so give them a fixed one."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, atomically."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """JSON of finite numbers; ValueError for any other."""
    return json.loads(path.read_text(encoding="utf-8"), **FINITE)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    # Not splitlines(): text may contain characters that it takes for line ends (U+2028).
    with open(path, encoding="utf-8", newline="\n") as file:
        return [json.loads(line, **FINITE) for line in file]
