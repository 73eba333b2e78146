"""Reading what other stages left, with a message that helps where a file is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noiseband.errors import NotMadeError
from noiseband.files import read_json, read_jsonl


def json_file(path: Path) -> Any:
    """A JSON file; UserError if it is not there or not JSON."""
    try:
        return read_json(path)
    except FileNotFoundError as error:
        raise NotMadeError(path) from error


def json_lines(path: Path) -> list[dict[str, Any]]:
    """A file of one JSON object a line; UserError if it is not there or not JSON."""
    try:
        return read_jsonl(path)
    except FileNotFoundError as error:
        raise NotMadeError(path) from error


def json_if_any(path: Path) -> Any:
    """A JSON file that may be missing: then None."""
    return json_file(path) if path.exists() else None


def lines_if_any(path: Path) -> list[dict[str, Any]]:
    """A JSON-lines file that may be missing: then no lines."""
    return json_lines(path) if path.exists() else []
