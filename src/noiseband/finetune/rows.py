"""Read instruction rows from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from noiseband.corpus.row_faults import fault
from noiseband.errors import UserError
from noiseband.io.files import read_jsonl

SPLITS = ("train", "test", "validation")


@dataclass(frozen=True)
class Turn:
    """A turn of a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    text: str


@dataclass(frozen=True)
class Row:
    """A question and its reference answer."""

    number: int
    """The row's line in the file, from 1, for error messages."""
    instruction: str
    input: str
    """The text that the instruction applies to; may be empty."""
    output: str
    """The reference answer."""
    split: str
    """One of SPLITS."""
    turns: tuple[Turn, ...] = ()
    """The turns of the conversation before the question: perhaps one of the system, then one of the
    user and one of the assistant in turn."""

    @property
    def system(self) -> str | None:
        """The text of the system's turn; None if there is none."""
        return self.turns[0].text if self.turns and self.turns[0].role == "system" else None

    @property
    def exchanges(self) -> list[tuple[str, str]]:
        """The questions and answers before this one, in order."""
        spoken = [turn.text for turn in self.turns if turn.role != "system"]
        return list(zip(spoken[::2], spoken[1::2], strict=True))

    @property
    def material(self) -> str:
        """What a reader of the question needs besides it: the turns before it, and the input."""
        told = [f"{turn.role.capitalize()}: {turn.text}" for turn in self.turns]
        return "\n\n".join([*told, *([self.input] if self.input else [])])


def read_rows(file: Path) -> list[Row]:
    """Read a JSONL file of rows in Alpaca's format with a `split`; other keys are ignored.

    Raises UserError if a row is not a question with an answer and a split (the message gives its
    number), or if a split has no rows.
    """
    rows = [_row(file, number, value) for number, value in enumerate(read_jsonl(file), start=1)]
    for split in SPLITS:
        if not any(row.split == split for row in rows):
            raise UserError(f"{file}: none of its {len(rows)} rows has split '{split}'; add some")
    return rows


def _row(file: Path, number: int, value: object) -> Row:
    reason = fault(value)
    if reason is None:
        fields = cast(dict[str, Any], value)
        split = fields.get("split")
        if split in SPLITS:
            texts = fields["instruction"], fields.get("input", ""), fields["output"]
            turns = tuple(Turn(**turn) for turn in fields.get("turns", ()))
            return Row(number, *texts, split, turns)
        reason = f"split is {split!r}, not one of {', '.join(SPLITS)}"
    raise UserError(f"{file}: row {number}: {reason}; correct the row or remove it")
