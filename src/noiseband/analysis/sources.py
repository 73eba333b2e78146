"""Read the files of other stages, with a helpful error if one is missing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from noiseband.errors import DamagedError, NotMadeError
from noiseband.io.checksums import intact
from noiseband.io.files import read_json, read_jsonl


def json_file(path: Path) -> Any:
    """Read a JSON file; raises UserError if it is missing or not JSON."""
    try:
        return read_json(path)
    except FileNotFoundError as error:
        raise NotMadeError(path) from error


def loss_file(path: Path) -> Any:
    """Read a run's `test_loss.json`; infinities of a run that diverged become NaN.

    Raises UserError if the file is missing, damaged or not JSON.
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
    """Read a file with a JSON object on each line; raises UserError if missing or not JSON."""
    try:
        return read_jsonl(path)
    except FileNotFoundError as error:
        raise NotMadeError(path) from error


def json_if_any(path: Path) -> Any:
    """Read a JSON file; None if it is missing."""
    return json_file(path) if path.exists() else None


def lines_if_any(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines file; an empty list if it is missing."""
    return json_lines(path) if path.exists() else []
