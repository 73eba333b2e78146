"""Find the documents in a segment of tokens: each ends with an end-of-text token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 2**20
"""Tokens that are processed together, which bounds the memory for a segment of any length."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SHOWN = 5
"""The number of hardest, and of easiest, documents that are named."""


def whole_documents(
    tokens: NDArray[np.uint16], first: int, stop: int, end_of_text: int
) -> Iterator[NDArray[np.int64]]:
    """The documents that are completely in tokens[first:stop], in order, in chunks.

    Yields arrays (n, 2): the index in `tokens` of a document's first token, and of the token after
    its end-of-text. Documents that begin before `first` or end after `stop` are left out.
    """
    begins_here = first == 0 or tokens[first - 1] == end_of_text
    begin = first if begins_here else -1
    for at in range(first, stop, CHUNK):
        part = tokens[at : min(at + CHUNK, stop)]
        ends = at + 1 + np.flatnonzero(part == end_of_text)
        if len(ends) == 0:
            continue
        found = np.column_stack([np.append(begin, ends[:-1]), ends])
        yield found[found[:, 0] >= first]
        begin = int(ends[-1])


def by_document(
    losses: NDArray[np.float32], tokens: NDArray[np.uint16], first: int, end_of_text: int
) -> dict[str, Any]:
    """How the loss spreads over documents, ready to be written as JSON.

    Args:
        losses: losses of consecutive targets in nats, (n,).
        tokens: the whole split, (any,).
        first: index of the first target in the split.
        end_of_text: id that ends a document; its loss counts for the document.

    Returns:
        - `documents`: the number of documents in which every token is a target, and `tokens`: the
          number of their tokens;
        - `quantiles` of their mean losses in nats per token, with equal weight for each document;
        - `hardest` and `easiest`: `document` (line of the split's file, from 0), `first_token` and
          `stop_token` in the split, and `loss`. Ties go to the earlier document.
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


def count(tokens: NDArray[np.uint16], id: int) -> int:
    """The number of times an id occurs, counted in bounded memory."""
    chunks = (tokens[at : at + CHUNK] for at in range(0, len(tokens), CHUNK))
    return sum(int(np.count_nonzero(chunk == id)) for chunk in chunks)
