"""Documents in a segment of tokens: each ends with its end-of-text, where the next begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 2**20
"""Tokens that are looked at together: what bounds memory, whatever the length of the segment."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SHOWN = 5
"""Documents named at either end."""


def whole_documents(
    tokens: NDArray[np.uint16], first: int, stop: int, end_of_text: int
) -> Iterator[NDArray[np.int64]]:
    """Documents that lie whole in tokens[first:stop], in order, some at a time.

    Yields arrays (n, 2): a document's first token and the one after its end-of-text, counted from
    the beginning of `tokens`. What begins before `first` or ends after `stop` is left out.
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
        losses: nats of consecutive targets, (n,).
        tokens: the whole split, (any,).
        first: place in the split of the first target.
        end_of_text: id that ends a document; predicting it is part of the document.

    Returns:
        `documents` of which every token is a target, and their `tokens`; `quantiles` of their mean
        losses in nats per token, documents counting alike; the `hardest` and `easiest` of them:
        `document` (line of the split's file, from 0), `first_token` and `stop_token` in the split,
        `loss`. Ties go to the earlier document.
    """
    stop = first + len(losses)
    found = [*whole_documents(tokens, first, stop, end_of_text)]
    places = np.concatenate([np.empty((0, 2), np.int64), *found])
    if len(places) == 0:
        return {"documents": 0, "tokens": 0, "quantiles": {}, "hardest": [], "easiest": []}
    begins, ends = places.T
    # They follow each other without a gap, so one end is the next one's beginning.
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
    """How often an id occurs, in bounded memory."""
    chunks = (tokens[at : at + CHUNK] for at in range(0, len(tokens), CHUNK))
    return sum(int(np.count_nonzero(chunk == id)) for chunk in chunks)
