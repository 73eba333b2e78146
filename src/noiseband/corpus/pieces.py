"""Splits of tokens in pieces: their documents, or sequences of one length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from noiseband.corpus.token_file import Tokens

CHUNK = 2**20
"""Tokens that are searched for ends of documents together."""

Piece = tuple[int, int]
"""The first token of a piece in its split, and one past its last."""


def document_pieces(tokens: Tokens, end_of_text: int) -> Iterator[Piece]:
    """Yield the documents of a split, shape (n,), each with the end-of-text that ends it. Tokens
    after the last end-of-text are a document without one."""
    begin = 0
    for start in range(0, len(tokens), CHUNK):
        found = np.flatnonzero(np.asarray(tokens[start : start + CHUNK]) == end_of_text)
        for end in (found + (start + 1)).tolist():
            yield begin, end
            begin = end
    if begin < len(tokens):
        yield begin, len(tokens)


def sequence_pieces(tokens: Tokens, length: int) -> Iterator[Piece]:
    """Yield the sequences of `length` tokens of a split, shape (n,), one after the other. A rest
    that is shorter is left out."""
    for begin in range(0, len(tokens) // length * length, length):
        yield begin, begin + length
