"""What a reader returns: the rows of a file as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True, eq=False)
class Raw:
    """The rows of one file. Nothing in it is guessed or left out."""

    file: str
    """The file's path, as it was given."""
    table: pd.DataFrame
    """A row for each run, or for each run and step. Cells are text, numbers or None, and a missing
    cell is None. The index is the number of the row, as `unit` counts it."""
    unit: str = "line"
    """What the index counts: `line` for text files, `row`, `record`, `step` or `run` for others."""
    metrics: Sequence[str] | None = None
    """Columns that can be metrics; None if every column of numbers can."""
    notes: Sequence[str] = field(default=())
    """Sentences for the user about what was read."""

    def place(self, number: object) -> str:
        """Where a row is, as `losses.csv, line 7`."""
        return f"{self.file}, {self.unit} {number}"
