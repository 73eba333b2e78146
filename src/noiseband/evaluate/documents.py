"""Find the documents in a segment of tokens: each ends with an end-of-text token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noiseband.corpus.token_file import Tokens

CHUNK = 2**20
"""Number of tokens processed together, so that a segment of any length fits into memory."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SHOWN = 5
"""The number of documents listed as hardest, and also as easiest."""


@dataclass(frozen=True)
class DocumentLoss:
    """The loss of one model on one document of a test window."""

    document: int
    """Line of the document in the split's file, from 0."""
    tokens: int
    """Targets in the window; fewer than the document has if the window cuts it off."""
    nats: float
    """The sum of their losses."""

    @property
    def total(self) -> float:
        """The sum of which a loss is made."""
        return self.nats

    @property
    def size(self) -> int:
        """What the sum is divided by."""
        return self.tokens


@dataclass(frozen=True)
class DocumentBits:
    """The loss of one model on one whole document, in bits."""

    document: int
    """Line of the document in the split's file, from 0."""
    bytes: int
    """Bytes of its text in UTF-8, which do not depend on the vocabulary."""
    bits: float
    """The sum of -log2 p of its tokens, end-of-text included."""

    @property
    def total(self) -> float:
        """The sum of which a loss is made."""
        return self.bits

    @property
    def size(self) -> int:
        """What the sum is divided by."""
        return self.bytes


AnyDocument = DocumentLoss | DocumentBits


def document_losses(
    losses: NDArray[np.float32], tokens: Tokens, first: int, end_of_text: int
) -> list[DocumentLoss]:
    """The loss of each document of a window, in order; arguments as for `by_document`.

    Together they have every target of the window: a document that the window cuts off counts with
    the part that is inside.
    """
    stop = first + len(losses)
    begins = np.concatenate([[first], *_ends(tokens, first, stop, end_of_text)]).astype(np.int64)
    begins = begins[begins < stop]
    nats = np.add.reduceat(losses.astype(np.float64), begins - first)
    before = count(tokens[:first], end_of_text)
    sizes = np.diff(np.append(begins, stop))
    return [
        DocumentLoss(before + place, int(size), float(total))
        for place, (size, total) in enumerate(zip(sizes, nats, strict=True))
    ]


def in_bits(documents: Sequence[DocumentLoss], sizes: Sequence[int]) -> list[DocumentBits]:
    """The losses of whole documents, whose texts have these numbers of bytes, in bits."""
    return [
        DocumentBits(one.document, size, one.nats / math.log(2))
        for one, size in zip(documents, sizes, strict=True)
    ]


def clustered_error(documents: Sequence[AnyDocument]) -> float | None:
    """The standard error of a loss over the documents that could have been drawn.

    The loss is a ratio, nats over tokens or bits over bytes; its variance is linearised, from the
    residuals nats - loss x tokens of the documents (Cochran 1977, chapter 6). None with fewer than
    two documents.
    """
    if len(documents) < 2:
        return None
    nats = np.array([one.total for one in documents])
    tokens = np.array([one.size for one in documents], np.float64)
    residuals = nats - nats.sum() / tokens.sum() * tokens
    count = len(documents)
    return float(math.sqrt(count / (count - 1) * (residuals**2).sum()) / tokens.sum())


def documents_in(tokens: Tokens, first: int, stop: int, end_of_text: int) -> range:
    """The numbers of the documents with at least one of the targets tokens[first:stop]."""
    begin = count(tokens[:first], end_of_text)
    return range(begin, begin + 1 + count(tokens[first : stop - 1], end_of_text))


def whole_documents(
    tokens: Tokens, first: int, stop: int, end_of_text: int, row: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Yield the documents that are completely in tokens[first:stop], in order and in chunks.

    Each chunk is an array (n, 2) with two indices in `tokens` for each document: of its first token
    and of the token after its end-of-text. Documents that begin before `first` or end after `stop`
    are left out. If `row` is given, the tokens are packed sequences of that length, each of which
    begins with a document; what is cropped at the end of one is left out.
    """
    begins_here = first == 0 or tokens[first - 1] == end_of_text
    begin = first if begins_here else -1
    for ends in _ends(tokens, first, stop, end_of_text):
        found = np.column_stack([np.append(begin, ends[:-1]), ends])
        if row is not None:
            found[:, 0] = np.maximum(found[:, 0], (ends - 1) // row * row)
        yield found[found[:, 0] >= first]
        begin = int(ends[-1])


def _ends(tokens: Tokens, first: int, stop: int, end_of_text: int) -> Iterator[NDArray[np.int64]]:
    """Yield the indices of the tokens after each end-of-text in tokens[first:stop], in chunks."""
    for at in range(first, stop, CHUNK):
        ends = at + 1 + np.flatnonzero(tokens[at : min(at + CHUNK, stop)] == end_of_text)
        if len(ends):
            yield ends


def by_document(
    losses: NDArray[np.float32], tokens: Tokens, first: int, end_of_text: int
) -> dict[str, Any]:
    """The distribution of the loss over documents, ready to be written as JSON.

    Args:
        losses: losses of consecutive targets in nats, (n,).
        tokens: all tokens of the split, 1-D.
        first: index of the first target in the split.
        end_of_text: id that ends a document; its loss is part of the document's loss.

    Returns:
        - `documents`: the number of documents in which every token is a target;
        - `tokens`: the total number of tokens in these documents;
        - `quantiles` of their mean losses in nats per token, with equal weight for each document;
        - `hardest` and `easiest`: lists with `document` (line of the split's file, from 0),
          `first_token` and `stop_token` in the split, and `loss`. Among documents of equal loss,
          the earlier one comes first.
    """
    stop = first + len(losses)
    found = [*whole_documents(tokens, first, stop, end_of_text)]
    places = np.concatenate([np.empty((0, 2), np.int64), *found])
    if len(places) == 0:
        return {"documents": 0, "tokens": 0, "quantiles": {}, "hardest": [], "easiest": []}
    begins, ends = places.T
    # There are no gaps, so the end of a document is the beginning of the next one.
    inside = losses[begins[0] - first : ends[-1] - first].astype(np.float64)
    means = np.add.reduceat(inside, begins - begins[0]) / (ends - begins)
    before = count(tokens[: begins[0]], end_of_text)

    def described(order: NDArray[np.int64]) -> list[dict[str, Any]]:
        return [
            {
                "document": before + int(place),
                "first_token": int(begins[place]),
                "stop_token": int(ends[place]),
                "loss": float(means[place]),
            }
            for place in order[:SHOWN]
        ]

    return {
        "documents": len(places),
        "tokens": int(ends[-1] - begins[0]),
        "quantiles": {
            f"{share:.2f}": float(value)
            for share, value in zip(QUANTILES, np.quantile(means, QUANTILES), strict=True)
        },
        "hardest": described(np.argsort(-means, kind="stable")),
        "easiest": described(np.argsort(means, kind="stable")),
    }


def count(tokens: Tokens, id: int) -> int:
    """The number of times that an id occurs, counted chunk by chunk to save memory."""
    chunks = (tokens[at : at + CHUNK] for at in range(0, len(tokens), CHUNK))
    return sum(int(np.count_nonzero(chunk == id)) for chunk in chunks)
