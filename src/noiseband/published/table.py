"""A table to be shown: on a terminal, on a page, as CSV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Texts in rows, numbers already at their printed precision."""

    name: str
    """For a file and for `--table`."""
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: list[str]
    """Sentences below it."""
    source: str
    """Parts of the series."""

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers, which stand to the right."""
        cells = [row[column] for row in self.rows if row[column]]
        return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


_NUMBER = re.compile(r"[+<-]?[0-9]+(\.[0-9]+)?[=%]?")


def agreement(published: str, recomputed: str) -> str:
    """Empty where two printed figures are equal, a mark where they are not."""
    return "" if published == recomputed else "differs"
