"""Count the test and validation questions that a model saw before it was asked them.

They may be in the rows that it is fine-tuned on, and in the text that it was trained on before.
That text is decoded from its tokens, so the vocabulary does not matter. It is read in chunks, so
the memory in use does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, count
from pathlib import Path
from typing import Any

import numpy as np

from noiseband.corpus.questions import HELD_OUT, in_train, question, words
from noiseband.corpus.token_file import Tokens, check_tokens, open_tokens
from noiseband.corpus.vocabulary import END_OF_TEXT, Encoding, load_encoding
from noiseband.errors import UserError
from noiseband.io.files import read_jsonl, write_json
from noiseband.study.seen_questions import SeenQuestionsParams

SHORTEST = 4
"""Words of the shortest question that is looked for; shorter ones are in any text by chance."""
LONGEST = 1000
"""Words of a question that are compared; the text has to contain only these of a longer one."""
CHUNK = 2**13
"""Training tokens that are decoded together. Their text and its words fit into a cache."""
MARKS = (b"\n", b".", b",", b"<")
"""Texts are cut before one of these; an end of text is decoded as `<|endoftext|>`. The words before
and after it do not depend on each other, and it is never a part of a composed character."""
HELD = 2**20
"""Bytes of text without any of these, above which a text is cut before any character."""

Words = tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """A segment of training tokens."""

    tokens: Tokens
    """All tokens of the split, shape (n,)."""
    first: int
    stop: int
    """One past the last token."""
    encoding: Encoding
    row: int | None = None
    """Length of packed sequences, each of which begins with a document; None if the tokens are
    contiguous."""


def seen_questions_file(
    params: SeenQuestionsParams,
    rows: Path,
    training: Sequence[tuple[Path, Path]],
    out: Path,
) -> None:
    """Write the result of `seen_questions` for a file of rows as JSON.

    `training` has a token file and the rank file of its vocabulary for each segment in
    `params.training`. Raises UserError if a segment does not fit its file.
    """
    segments = []
    for segment, (file, vocabulary) in zip(params.training, training, strict=True):
        tokens, (first, stop) = open_tokens(file), segment.places
        if stop > len(tokens):
            raise UserError(
                f"{file}: has {len(tokens):,} tokens, but training reads up to {stop:,}; "
                "lower train_tokens"
            )
        encoding = load_encoding(vocabulary)
        segments.append(Training(np.asarray(tokens), first, stop, encoding, segment.row))
    about = {
        "instructions": params.instructions,
        "trained_on": [segment.model_dump() for segment in params.training],
        "shortest": SHORTEST,
    }
    write_json(out, {**about, "splits": seen_questions(read_jsonl(rows), segments)})


def seen_questions(
    rows: Sequence[dict[str, Any]], training: Sequence[Training]
) -> dict[str, dict[str, Any]]:
    """How many questions of the test and validation rows are in train or in the training text.

    Args:
        rows: instruction rows, each with its `split`.
        training: the segments of training tokens; empty if the text is not known.

    Returns:
        For each split:

        - `questions`: the number of its rows; `in_train_exactly`: those whose question is in train
          character by character; `rows_in_train`: the numbers, from 1, of those whose question is
          there up to case, punctuation and blanks;
        - `too_short`: the number of questions with too few words to look for them in the training
          text, and `rows_in_text`: the numbers of those whose words are in it, one after the other.
          Both are null if the text is not known.
    """
    asked = {
        number: tuple(words("\n".join(question(row)))[:LONGEST])
        for number, row in enumerate(rows, 1)
        if row["split"] in HELD_OUT
    }
    sought = {one for one in asked.values() if len(one) >= SHORTEST}
    found = Search(sought).look_in(training) if training else None
    result = {}
    for split in HELD_OUT:
        repeated = in_train(rows, split)
        text: dict[str, Any] = {"too_short": None, "rows_in_text": None}
        if found is not None:
            own = {k: one for k, one in asked.items() if rows[k - 1]["split"] == split}
            text["too_short"] = sum(len(one) < SHORTEST for one in own.values())
            text["rows_in_text"] = [k for k, one in own.items() if one in found]
        result[split] = {
            "questions": repeated.questions,
            "in_train_exactly": repeated.exactly,
            "rows_in_train": repeated.rows,
            **text,
        }
    return result


class Search:
    """A search for sequences of at least `SHORTEST` words.

    A sequence is looked up by `SHORTEST` of its words. They begin with its longest word that can be
    the first of them, because long words are rare.
    """

    def __init__(self, sought: Iterable[Words]) -> None:
        self._anchors: set[str] = set()
        self._by_anchor: dict[Words, list[tuple[int, Words]]] = {}
        self._longest = 0
        for one in sorted(sought):
            first = one[: len(one) - SHORTEST + 1]
            at = first.index(max(first, key=len))
            self._anchors.add(one[at])
            self._by_anchor.setdefault(one[at : at + SHORTEST], []).append((at, one))
            self._longest = max(self._longest, len(one))

    def look_in(self, training: Iterable[Training]) -> set[Words]:
        """The sequences that occur in at least one of the segments."""
        found: set[Words] = set()
        for segment in training if self._anchors else ():
            kept: list[str] = []
            for text in texts(segment):
                there = kept + words(text)
                found.update(self._found(there))
                # The words with which a sequence may begin that ends in the next text.
                kept = there[max(len(there) - self._longest + 1, 0) :]
        return found

    def _found(self, there: list[str]) -> Iterator[Words]:
        for place in compress(count(), map(self._anchors.__contains__, there)):
            for at, one in self._by_anchor.get(tuple(there[place : place + SHORTEST]), ()):
                begin = place - at
                if begin >= 0 and one == tuple(there[begin : begin + len(one)]):
                    yield one


def texts(segment: Training) -> Iterator[str]:
    """Decode the tokens of a segment in parts, each of which begins and ends between two words.

    The words of the parts are those of the whole text, unless it has more than a megabyte without
    any of `MARKS`; such a text may lose the word in which it is cut. Raises UserError for a token
    that is not in the vocabulary.
    """
    rest = b""
    chunk = segment.row or CHUNK
    for begin in range(segment.first, segment.stop, chunk):
        window = segment.tokens[begin : min(begin + chunk, segment.stop)]
        check_tokens(window, begin, segment.encoding.n_vocab, "train")
        if segment.row is not None:
            rest += END_OF_TEXT.encode()  # Packed sequences do not continue each other.
        rest += segment.encoding.decode_bytes(window.tolist())
        cut = max(map(rest.rfind, MARKS))
        if cut < 1 and len(rest) > HELD:
            cut = _last_character(rest)
        yield rest[: max(cut, 0)].decode(errors="replace")
        rest = rest[max(cut, 0) :]
    yield rest.decode(errors="replace")


def _last_character(text: bytes) -> int:
    """Where the last character begins, which may not be complete."""
    places = (at for at in range(len(text) - 1, 0, -1) if text[at] & 0xC0 != 0x80)
    return next(places, len(text))
