"""A table that can be shown on a terminal, on a page or as CSV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of texts, with numbers already at their printed precision."""

    name: str
    """Name of the table in file names and for `--table`."""
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: list[str]
    """Sentences below the table."""
    source: str
    """Parts of the series that the table is from."""

    def numeric(self, column: int) -> bool:
        """Whether a column has numbers and is therefore right-aligned."""
        cells = [row[column] for row in self.rows if row[column]]
        return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


_NUMBER = re.compile(r"[+<-]?[0-9]+(\.[0-9]+)?[=%]?")


def agreement(published: str, recomputed: str) -> str:
    """An empty text if two printed figures are equal, otherwise "differs"."""
    return "" if published == recomputed else "differs"
