"""Reading what other stages left, with a message that helps where a file is missing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from noiseband.errors import DamagedError, NotMadeError
from noiseband.io.checksums import intact
from noiseband.io.files import read_json, read_jsonl


def json_file(path: Path) -> Any:
    """A JSON file; UserError if it is not there or not JSON."""
    try:
        return read_json(path)
    except FileNotFoundError as error:
        raise NotMadeError(path) from error


def loss_file(path: Path) -> Any:
    """A run's `test_loss.json`, in which a loss may be NaN: infinities of a run that diverged are.

    Raises UserError if it is not there, damaged or not JSON.
    """
    intact(path)
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, parse_float=_number, parse_constant=_number)
    except FileNotFoundError as error:
        raise NotMadeError(path) from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"not JSON: {error}") from error


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else math.nan


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
