"""Instruction rows from their file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from noiseband.corpus.alpaca import fault
from noiseband.errors import UserError
from noiseband.io.files import read_jsonl

SPLITS = ("train", "test", "validation")


@dataclass(frozen=True)
class Row:
    """A question and its reference answer."""

    number: int
    """Its line in the file, from 1, for errors."""
    instruction: str
    input: str
    """What the instruction works on; may be empty."""
    output: str
    """The reference answer."""
    split: str
    """One of SPLITS."""


def read_rows(file: Path) -> list[Row]:
    """The rows of a JSONL file in Alpaca's format with a `split`; other keys are left out.

    Raises UserError, naming the row, for one that is no question with an answer, and for a file
    that lacks rows of a split.
    """
    rows = [_row(file, number, value) for number, value in enumerate(read_jsonl(file), start=1)]
    for split in SPLITS:
        if not any(row.split == split for row in rows):
            raise UserError(f"{file}: none of its {len(rows)} rows has split '{split}'; add some")
    return rows


def _row(file: Path, number: int, value: object) -> Row:
    reason = fault(value)
    if reason is None:
        fields = cast(dict[str, str], value)
        split = fields.get("split")
        if split in SPLITS:
            texts = fields["instruction"], fields.get("input", ""), fields["output"]
            return Row(number, *texts, split)
        reason = f"split is {split!r}, not one of {', '.join(SPLITS)}"
    raise UserError(f"{file}: row {number}: {reason}; mend the row or remove it")
