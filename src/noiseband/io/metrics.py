"""Files of metrics: what a command measured, as JSON.

The key `metrics` maps each name to a number, or to `{"value": number, "standard_error": number,
"n": whole number}`, whose last two may be left out or null. A value that is NaN, an infinity or
null says that the run diverged: it is kept, and is NaN here. Other keys are the caller's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.io.checksums import intact

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""The names of metrics."""
OTHER = re.compile(r"[^A-Za-z0-9._-]")
"""Characters that no name of a metric has."""
KEYS = ("value", "standard_error", "n")
"""The keys of a metric that is more than a number."""


@dataclass(frozen=True)
class Measured:
    """One metric of one run."""

    value: float
    """NaN if the run has no finite value."""
    standard_error: float | None = None
    """Standard error of the value, if the command knows it."""
    n: int | None = None
    """Number of items that the value is a mean of, if the command knows it."""

    @property
    def finite(self) -> bool:
        return math.isfinite(self.value)


def fitting(text: str) -> str:
    """A text as a part of a metric's name: any other character becomes `-`."""
    return OTHER.sub("-", text)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object in which numbers may be NaN or infinite.

    Raises FileNotFoundError, or UserError if the file is damaged or not a JSON object.
    """
    text = intact(path).read_bytes()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); write one JSON object") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: {shown(found)}: write one JSON object with the key metrics")
    return found


def read_metrics(path: Path) -> dict[str, Measured]:
    """Read the metrics in a file, in its order.

    Raises FileNotFoundError, or UserError with the file, the key and the remedy.
    """
    return metrics_in(read_object(path), path)


def metrics_in(data: Mapping[str, Any], path: Path) -> dict[str, Measured]:
    """The metrics of a file that is read already; `path` is for errors. Raises UserError."""
    found = data.get("metrics")
    if not isinstance(found, dict) or not found:
        what = "missing" if found is None else shown(found)
        raise UserError(
            f'{path}: metrics: {what}: write each metric by name, as {{"metrics": {{"loss": 1.5}}}}'
        )
    return {name: _measured(name, value, path) for name, value in found.items()}


def metrics_json(metrics: Mapping[str, Measured]) -> dict[str, Any]:
    """The metrics as data for `write_json`, sorted by name, with null for a value that is not
    finite."""
    return {
        name: {
            "value": one.value if one.finite else None,
            "standard_error": one.standard_error,
            "n": one.n,
        }
        for name, one in sorted(metrics.items())
    }


def _measured(name: str, value: Any, path: Path) -> Measured:
    key = f"metrics.{name}"
    if NAME.fullmatch(name) is None:
        raise UserError(
            f"{path}: metrics: {shown(name)}: a metric's name consists of letters, digits, '.', "
            "'_' and '-', and starts with a letter or a digit; rename it"
        )
    if not isinstance(value, dict):
        return Measured(number_of(value, path, key))
    for other in value:
        if other not in KEYS:
            raise UserError(f"{path}: {key}.{other}: unknown key; valid: {', '.join(KEYS)}")
    if "value" not in value:
        raise UserError(f"{path}: {key}.value: missing; write the number")
    return Measured(
        number_of(value["value"], path, f"{key}.value"),
        _standard_error(value.get("standard_error"), path, f"{key}.standard_error"),
        _count(value.get("n"), path, f"{key}.n"),
    )


def number_of(value: Any, path: Path | str, key: str) -> float:
    """A number as float64; NaN for null and for what is not finite. Raises UserError otherwise."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{path}: {key}: {shown(value)}: write a number")
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _standard_error(value: Any, path: Path, key: str) -> float | None:
    if value is None:
        return None
    number = number_of(value, path, key)
    if number < 0:
        raise UserError(f"{path}: {key}: {shown(value)}: write a number of at least 0, or null")
    return number if math.isfinite(number) else None


def _count(value: Any, path: Path, key: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(
            f"{path}: {key}: {shown(value)}: write a whole number of at least 1, or null"
        )
    return value


def shown(value: Any) -> str:
    """A value as JSON, cut short."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
