"""Packing: sequences of one length, each of which begins with the first token of a document.

Documents are placed by best fit, as nanochat's data loader does: into the room that is left of a
sequence goes the longest document that fits, out of a buffer of the next documents of the split. If
none fits, the shortest one is cropped to fill the room. So there is no padding, and the rest of a
cropped document is not read. One thing is different: a document that is longer than a sequence is
cropped to one at once. In nanochat such documents are hardly ever placed and fill the buffer, after
which little is left to choose from. With log-normal lengths (a mean of 665 tokens) and a context of
1,024, that loses 42% of the tokens instead of 29%, of which 26% are beyond a sequence.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from noiseband.corpus.origin import Origin, OriginWriter
from noiseband.corpus.pieces import Piece, document_pieces
from noiseband.corpus.token_file import Tokens, open_tokens
from noiseband.corpus.token_writer import write_pieces
from noiseband.corpus.vocabulary import load_encoding
from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.study.data_params import PackParams

BUFFER = 1000
"""Documents among which the best fit is chosen. Only their places are held, not their tokens."""


def pack(
    params: PackParams, tokens: Path, vocabulary: Path, origin: Path | None, out: Path
) -> None:
    """Write a split as packed sequences, with their origin and their card next to them.

    The file is a token file. It has sequences of context + 1 tokens, one after the other: the
    inputs of a training sequence and its last target. The origin and the numbers of tokens are
    about the inputs, which are what a run counts.

    Args:
        tokens: the training split.
        vocabulary: its vocabulary, which has the end-of-text that ends a document.
        origin: the corpora that its tokens come from; None if it is no mixture.
        out: the file of the packed sequences; `.json` is the card, and `.origin.safetensors` the
            origin.

    Raises UserError if the split has no end-of-text, or too few tokens for one sequence.
    """
    split, row = open_tokens(tokens), params.context + 1
    mixed = None if origin is None else Origin.read(origin)
    end_of_text = load_encoding(vocabulary).eot_token
    documents = Documents(split, end_of_text)
    written, rows = OriginWriter(), 0

    def pieces() -> Iterator[Tokens]:
        nonlocal rows
        for placed in packed_rows(documents, row):
            rows += 1
            begins = np.array([begin for begin, _ in placed])
            # The last token of a sequence is no input.
            sizes = [end - begin for begin, end in placed]
            sizes[-1] -= 1
            if mixed is None:
                written.add(0, sum(sizes))
            else:
                corpora, own = mixed.of(begins).tolist(), mixed.own(begins).tolist()
                for corpus, size, begin in zip(corpora, sizes, own, strict=True):
                    if size:
                        written.add(corpus, size, begin)
            yield np.concatenate([split[begin:end] for begin, end in placed])
        if documents.ends == 0:
            raise UserError(
                f"{tokens}: has no end-of-text (id {end_of_text}), so its documents cannot "
                "be told apart; set data.packing to contiguous"
            )
        if rows == 0:
            raise UserError(
                f"{tokens}: has {len(split):,} tokens, too few for a packed sequence of {row:,}; "
                "lower model.context, or give the corpus more text"
            )

    total = write_pieces(out, pieces(), split.dtype.itemsize)
    written.write(out.with_suffix(".origin.safetensors"))
    card = {
        "context": params.context,
        "sequences": rows,
        "tokens": rows * params.context,
        "documents": documents.count,
        "left_out": len(split) - total,
        "left_out_share": (len(split) - total) / len(split),
    }
    write_json(out.with_suffix(".json"), card)


class Documents:
    """The documents of a split in order, which are counted as they are read."""

    def __init__(self, split: Tokens, end_of_text: int) -> None:
        self._split, self._end = split, end_of_text
        self.count = self.ends = 0
        """Numbers of documents, and of those with an end-of-text."""

    def __iter__(self) -> Iterator[Piece]:
        for begin, end in document_pieces(self._split, self._end):
            self.count += 1
            self.ends += end < len(self._split) or int(self._split[end - 1]) == self._end
            yield begin, end


def packed_rows(
    documents: Iterable[Piece], row: int, buffer: int = BUFFER
) -> Iterator[list[Piece]]:
    """Yield the pieces of each row of `row` tokens, in their order in the row.

    Every piece begins where its document begins, and all but the last are whole documents. A
    document is in one row at most. A last row that is not full is left out.
    """
    waiting = iter(documents)
    # By length, and among equal lengths the earliest last: (length, -begin).
    held: list[tuple[int, int]] = []
    placed: list[Piece] = []
    room = row
    while True:
        for begin, end in islice(waiting, buffer - len(held)):
            insort(held, (min(end - begin, row), -begin))
        if not held:
            return
        at = bisect_right(held, (room, 0)) - 1
        if at < 0:  # None fits: the earliest of the shortest is cropped.
            at = bisect_right(held, (held[0][0], 0)) - 1
        length, begin = held.pop(at)
        placed.append((-begin, -begin + min(length, room)))
        room -= min(length, room)
        if not room:
            yield placed
            placed, room = [], row
