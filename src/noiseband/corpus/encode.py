"""Texts to token ids, of any length, as tiktoken encodes them but in bounded memory.

tiktoken takes some 40 bytes of memory for each byte of a text without spaces, and gives up on a
run of a million blanks. So a long text is encoded in parts, cut where no token can cross:

1. Where GPT-2's pattern ends a piece whatever comes before and after, see `BOUNDARY`. Pieces are
   matched from left to right and never look back, so the parts' tokens are the text's.
2. A segment of more than `PART` characters without such a place (a megabyte of one letter, of
   blanks, of Thai) is cut into its pieces first, and a piece that is itself that long is encoded
   by `_encode_piece`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import tiktoken

from noiseband.corpus.vocabulary import END_OF_TEXT, PATTERN

Ids = npt.NDArray[np.uint16]

PART = 2**19
"""Longest text that tiktoken is given, in characters, and longest part of a piece, in bytes."""

BATCH = 2**16
"""Characters of short texts that are encoded by one call, in which Python is free to do more."""

BOUNDARY = re.compile(
    r"(?<=[^\W_])(?=[\0-/:-@\[-`{-\x7f、。，！？])"  # a letter or digit, then surely neither
    r"|(?<=\S)(?=[ \n])"  # only the first character of a piece follows a different class
)
"""Places where a piece of `PATTERN` ends in any text.

After a letter, a piece goes on with letters alone (a contraction too), after a digit with digits,
and only a piece's first character is a blank that something else follows. Python's classes are
those of an older Unicode than tiktoken's, so what follows a letter is named character by
character; what Python calls a letter or digit will stay one.
"""


def encode(
    encoding: tiktoken.Encoding, texts: Iterable[str], allow_special: bool = False
) -> Iterator[Ids]:
    """Token ids of texts in order, end-of-text after each, in arrays of shape (n,).

    Texts must be valid UTF-8. "<|endoftext|>" in a text is ordinary text, or end-of-text where
    `allow_special`. The concatenation equals `encode_ordinary` of each text, or
    `encode(allowed_special="all")`, and the end-of-text token.
    """
    batch: list[str] = []
    size = 0
    for text in texts:
        if len(text) > PART or (END_OF_TEXT in text and not allow_special):
            if batch:
                yield _encode_batch(encoding, batch)
                batch, size = [], 0
            yield from _encode_single(encoding, text, allow_special)
            continue
        batch.append(text)
        size += len(text)
        if size >= BATCH:
            yield _encode_batch(encoding, batch)
            batch, size = [], 0
    if batch:
        yield _encode_batch(encoding, batch)


def _encode_batch(encoding: tiktoken.Encoding, texts: list[str]) -> Ids:
    """In one call, during which other threads run: text between special tokens is encoded alone."""
    joined = END_OF_TEXT.join([*texts, ""])
    return encoding.encode_to_numpy(joined, allowed_special={END_OF_TEXT}).astype("<u2")


def _encode_single(encoding: tiktoken.Encoding, text: str, allow_special: bool) -> Iterator[Ids]:
    end = np.array([encoding.eot_token], dtype="<u2")
    for segment in text.split(END_OF_TEXT) if allow_special else [text]:
        start = 0
        while start < len(segment):
            stop = _cut(segment, start)
            if stop - start <= PART:
                yield _ordinary(encoding, segment[start:stop])
            else:
                yield from _encode_segment(encoding, segment[start:stop])
            start = stop
        yield end


def _cut(text: str, start: int) -> int:
    """Where the part that begins at `start` ends: within `PART` characters, if that is possible."""
    if len(text) - start <= PART:
        return len(text)
    found = BOUNDARY.search(text, start + PART // 2)
    return found.start() if found else len(text)


def _ordinary(encoding: tiktoken.Encoding, text: str) -> Ids:
    # Not encode_ordinary: making a list of Python's integers takes a tenth of the time.
    return encoding.encode_to_numpy(text, disallowed_special=()).astype("<u2")


def _encode_segment(encoding: tiktoken.Encoding, text: str) -> Iterator[Ids]:
    """A segment without a `BOUNDARY`, piece by piece."""
    ids: list[int] = []
    for found in _pattern().finditer(text):
        for part in _encode_piece(encoding, found[0].encode()):
            ids += part
            if len(ids) >= BATCH:
                yield np.array(ids, dtype="<u2")
                ids = []
    yield np.array(ids, dtype="<u2")


@cache
def _pattern() -> Any:
    import regex  # as tiktoken's own Python version; `re` knows no \p

    return regex.compile(PATTERN)


def _encode_piece(encoding: tiktoken.Encoding, piece: bytes) -> Iterator[list[int]]:
    """Byte-pair encoding of a piece, `PART` bytes at a time, and exact.

    Merges are done by rank, then from the left, so what happens within two neighbouring tokens
    does not depend on what stands around them until a merge crosses their outer edges. Hence ids
    are the encoding of their bytes if and only if each two neighbours are that of theirs. A part's
    last ids may change with what follows. So they are encoded anew with the next part, from some
    id of this one on: if that id comes out again, its left neighbour stands as well.
    """
    encode_piece = encoding._encode_single_piece
    start = 0
    ids = encode_piece(piece[:PART])
    while start + PART < len(piece):
        keep = len(ids) - len(ids) // 8
        while True:
            keep -= 1
            if keep < 1:  # no id stands: nothing has been shown for such ranks, but it is exact
                yield encode_piece(piece[start:])
                return
            stop = start + len(encoding.decode_bytes(ids[:keep]))
            following = encode_piece(piece[stop : stop + PART])
            if following[0] == ids[keep]:
                break
            keep //= 2
        yield ids[:keep]
        start, ids = stop, following
    yield ids
