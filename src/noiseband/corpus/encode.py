"""Encoding of texts of any length, with the same token ids as tiktoken but in bounded memory.

tiktoken takes about 40 bytes of memory for each byte of a text without spaces, and fails on a
million consecutive blanks. So a long text is encoded in parts, cut where no token can cross:

1. A cut is made where GPT-2's pattern ends a piece in any context (see `BOUNDARY`). Pieces are
   matched from left to right and never look back, so the tokens of the parts are those of the text.
2. A segment of more than `PART` characters without such a place (a megabyte of one letter, of
   blanks, of Thai) is first cut into pieces, and a piece that is itself that long is encoded by
   `_encode_piece`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import tiktoken

from noiseband.corpus.own_tokenizers import Change, OwnEncoding, encode_documents
from noiseband.corpus.token_file import Tokens as Ids
from noiseband.corpus.token_file import token_type
from noiseband.corpus.vocabulary import END_OF_TEXT, PATTERN, Encoding

PART = 2**19
"""Longest text that is passed to tiktoken, in characters, and longest part of a piece, in bytes."""

BATCH = 2**16
"""Characters of short texts that one call encodes. Other threads run during the call."""

BOUNDARY = re.compile(
    r"(?<=[^\W_])(?=[\0-/:-@\[-`{-\x7f、。，！？])"  # a letter or digit, then certainly neither
    r"|(?<=\S)(?=[ \n])"  # a blank after something else, which always starts a piece
)
"""Places where a piece of `PATTERN` ends in any text.

After a letter, a piece continues only with letters (also in a contraction), and after a digit only
with digits; a blank that is followed by another class is the first character of a piece. Python's
classes are from an older Unicode version than tiktoken's, so the characters that may follow a
letter are listed; whatever Python calls a letter or digit remains one in later versions.
"""


def encode(
    encoding: Encoding,
    texts: Iterable[str],
    allow_special: bool = False,
    tell: Callable[[Change], object] = lambda change: None,
) -> Iterator[Ids]:
    """Yield the token ids of texts in order, with end-of-text after each, in arrays of shape (n,).

    Texts must be valid UTF-8. "<|endoftext|>" in a text is ordinary text, or end-of-text if
    `allow_special` is true. The ids of a text equal those of `encode_ordinary`, or of
    `encode(allowed_special="all")`, followed by the end-of-text token. A text for a tokenizer of
    one's own is encoded as a whole, in as much memory as its library takes, and `tell` takes
    what is lost of it.
    """
    if not isinstance(encoding, tiktoken.Encoding):
        assert isinstance(encoding, OwnEncoding)
        yield from _encode_own(encoding, texts, allow_special, tell)
        return
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


def _encode_own(
    encoding: OwnEncoding,
    texts: Iterable[str],
    allow_special: bool,
    tell: Callable[[Change], object],
) -> Iterator[Ids]:
    dtype = token_type(encoding.n_vocab)
    for some in _batches(texts):
        encoded = encode_documents(encoding, some, allow_special)
        for text, ids in zip(some, encoded, strict=True):
            tell(encoding.change(text, ids))
            yield np.array(ids, dtype)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists of at least `BATCH` characters, but for the last."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _encode_batch(encoding: tiktoken.Encoding, texts: list[str]) -> Ids:
    """Encode texts in one call, during which other threads can run. This gives the same ids,
    because text between special tokens is encoded separately."""
    joined = END_OF_TEXT.join([*texts, ""])
    return encoding.encode_to_numpy(joined, allowed_special={END_OF_TEXT}).astype(
        token_type(encoding.n_vocab)
    )


def _encode_single(encoding: tiktoken.Encoding, text: str, allow_special: bool) -> Iterator[Ids]:
    end = np.array([encoding.eot_token], token_type(encoding.n_vocab))
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
    """Return the end of the part that begins at `start`, within `PART` characters if possible."""
    if len(text) - start <= PART:
        return len(text)
    found = BOUNDARY.search(text, start + PART // 2)
    return found.start() if found else len(text)


def _ordinary(encoding: tiktoken.Encoding, text: str) -> Ids:
    # Not encode_ordinary, which spends a tenth of the time on making a list of Python integers.
    ids = encoding.encode_to_numpy(text, disallowed_special=())
    return ids.astype(token_type(encoding.n_vocab))


def _encode_segment(encoding: tiktoken.Encoding, text: str) -> Iterator[Ids]:
    """Encode a segment without a `BOUNDARY`, piece by piece."""
    ids: list[int] = []
    for found in _pattern().finditer(text):
        for part in _encode_piece(encoding, found[0].encode()):
            ids += part
            if len(ids) >= BATCH:
                yield np.array(ids, token_type(encoding.n_vocab))
                ids = []
    yield np.array(ids, token_type(encoding.n_vocab))


@cache
def _pattern() -> Any:
    import regex  # `re` does not support \p; tiktoken's own Python version uses `regex` too.

    return regex.compile(PATTERN)


def _encode_piece(encoding: tiktoken.Encoding, piece: bytes) -> Iterator[list[int]]:
    """Yield the exact byte-pair encoding of a piece, `PART` bytes at a time.

    Merges are done by rank, and from the left within a rank. So the merges within two neighbouring
    tokens do not depend on the bytes around them, unless a merge crosses their outer edges. Hence
    a sequence of ids is the encoding of its bytes if and only if each pair of neighbours is the
    encoding of its own bytes. The last ids of a part may depend on the bytes that follow, so they
    are encoded again with the next part, starting from one of this part's ids. If the new encoding
    starts with the same id, its left neighbour is valid too.
    """
    encode_piece = encoding._encode_single_piece
    start = 0
    ids = encode_piece(piece[:PART])
    while start + PART < len(piece):
        keep = len(ids) - len(ids) // 8
        while True:
            keep -= 1
            if keep < 1:  # No id was confirmed. Encoding the whole rest is exact for any ranks.
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
