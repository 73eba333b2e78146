"""Read the objects in a file of JSON lines, each checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.io.metrics import shown


def objects(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each object with its row, counted from 1. Empty lines are no objects.

    Raises FileNotFoundError, or UserError with the file and the row that is no object.
    """
    # Not splitlines(), which also splits at characters such as U+2028 that a text may contain.
    with open(file, "rb") as lines:
        for row, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode())
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{file}: row {row}: not JSON ({error}); write one object in each line"
                ) from None
            if not isinstance(value, dict):
                raise UserError(
                    f"{file}: row {row}: {shown(value)} is not an object of keys; write one object "
                    "in each line"
                )
            yield row, value
