"""The questions of instruction rows: their words, and which of them are in two splits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import regex

HELD_OUT = ("test", "validation")
"""The splits whose questions a model should not have seen."""

_SIGN = re.compile(r"([-+*/^%=<>\u2212\u00d7\u00f7])(?= ?[0-9])")
_PLAIN = bytes(
    ord(chr(byte).lower() if chr(byte).isalnum() or chr(byte) == "_" else " ")
    for byte in range(128)
) + bytes(range(128, 256))
"""What becomes of each byte of UTF-8: ASCII letters are lowered, and what is between them is blank.
"""
_COMMON = "‘’“”–—"
"""Common punctuation of English texts that is not in ASCII."""
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts that are written without spaces."""
_WORD = regex.compile(rf"(?V1)[[\w\p{{M}}]--[{_UNSPACED}]]+|[[\w\p{{M}}]&&[{_UNSPACED}]]")

Row = dict[str, Any]
Question = tuple[str, ...]


def words(text: str) -> list[str]:
    """The words of a text, without regard to case and punctuation.

    The text is put into Unicode's normal form NFKC and case-folded. A word is a sequence of
    letters, marks, digits and underscores. Each character of a script that is written without
    spaces is a word, and so is each sign of arithmetic before a number, since 3 + 4 is not 3 - 4.
    """
    found: list[str] = []
    for number, part in enumerate(_SIGN.split(unicodedata.normalize("NFKC", text))):
        found += [part] if number % 2 else _words(part)
    return found


def _words(text: str) -> list[str]:
    """The words of a text without signs that count. The pattern would find them all, but those in
    ASCII, which are most words of most corpora, are found several times as fast without it."""
    for mark in _COMMON:
        text = text.replace(mark, " ")
    plain = text.encode().translate(_PLAIN).decode().split()
    if text.isascii():
        return plain
    return [
        one
        for word in plain
        for one in ((word,) if word.isascii() else _WORD.findall(word.casefold()))
    ]


def normalised(text: str) -> str:
    """The words of a text, joined by blanks."""
    return " ".join(words(text))


def question(row: Row) -> Question:
    """What a row asks, whatever its answer: its earlier turns, its instruction and its input."""
    return (*(turn["text"] for turn in row.get("turns", ())), row["instruction"], row["input"])


def wording(row: Row) -> str:
    """The words of a row's question, joined by blanks; its text if it has no words, such as a
    question mark."""
    text = "\n".join(question(row))
    return normalised(text) or text


@dataclass(frozen=True)
class InTrain:
    """The questions of one split that are also in the training split."""

    questions: int
    """Number of rows of the split."""
    exactly: int
    """Number of them whose question is in train, character by character."""
    rows: list[int]
    """Numbers, from 1, of those whose question is in train up to case, punctuation and blanks."""


def in_train(rows: Sequence[Row], split: str) -> InTrain:
    """Which questions of a split are also in train."""
    train = [row for row in rows if row["split"] == "train"]
    exact, worded = set(map(question, train)), set(map(wording, train))
    own = {number: row for number, row in enumerate(rows, 1) if row["split"] == split}
    return InTrain(
        questions=len(own),
        exactly=sum(question(row) in exact for row in own.values()),
        rows=[number for number, row in own.items() if wording(row) in worded],
    )


def without_seen(rows: Sequence[Row]) -> list[Row]:
    """The rows without those of train whose question is also in validation or test, and those of
    validation whose question is also in test, up to case, punctuation and blanks."""
    asked = [wording(row) for row in rows]

    def of(*splits: str) -> set[str]:
        return {one for row, one in zip(rows, asked, strict=True) if row["split"] in splits}

    seen = {"train": of("validation", "test"), "validation": of("test"), "test": set[str]()}
    return [row for row, one in zip(rows, asked, strict=True) if one not in seen[row["split"]]]
