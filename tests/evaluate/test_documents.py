"""The documents in a segment of tokens, and how the loss spreads over them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noiseband.evaluate import documents
from noiseband.evaluate.documents import (
    DocumentLoss,
    by_document,
    document_losses,
    documents_in,
    whole_documents,
)

END = 0
ids = st.lists(st.integers(0, 3), max_size=60)


def found(tokens: NDArray[np.uint16], first: int, stop: int) -> list[tuple[int, int]]:
    blocks = [*whole_documents(tokens, first, stop, END)]
    return [(int(begin), int(end)) for block in blocks for begin, end in block]


def by_hand(tokens: list[int], first: int, stop: int) -> list[tuple[int, int]]:
    """Find every document of the split, one token at a time; then keep those in the segment."""
    documents, begin = [], 0
    for place, token in enumerate(tokens):
        if token == END:
            documents.append((begin, place + 1))
            begin = place + 1
    return [(begin, end) for begin, end in documents if first <= begin and end <= stop]


@given(ids, st.integers(0, 60), st.integers(0, 60), st.integers(1, 9))
def test_documents_are_those_wholly_inside(
    tokens: list[int], one: int, other: int, chunk: int
) -> None:
    first, stop = sorted((min(one, len(tokens)), min(other, len(tokens))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "CHUNK", chunk)
        array = np.array(tokens, dtype=np.uint16)
        assert found(array, first, stop) == by_hand(tokens, first, stop)
        assert documents.count(array, END) == tokens.count(END)


def test_means_quantiles_and_extremes_by_hand() -> None:
    # The documents have 1 to 9 tokens. A target's loss is the length of its document, plus a half
    # for an end of text. The window's first target is the second token of the second document.
    lengths = range(1, 10)
    tokens = np.concatenate([[*[7] * (n - 1), END] for n in lengths] + [[7, 7]]).astype(np.uint16)
    losses = np.concatenate([[*[n] * (n - 1), n + 0.5] for n in lengths] + [[99, 99]])
    first = 2
    summary = by_document(losses[first:].astype(np.float32), tokens, first, END)
    # From the third document on, the mean is ((n - 1) n + n + 0.5) / n.
    means = [n + 0.5 / n for n in range(3, 10)]
    assert (summary["documents"], summary["tokens"]) == (7, sum(range(3, 10)))
    assert summary["quantiles"]["0.00"] == pytest.approx(means[0])
    assert summary["quantiles"]["0.50"] == pytest.approx(means[3])
    assert summary["quantiles"]["0.75"] == pytest.approx((means[4] + means[5]) / 2)
    assert summary["quantiles"]["1.00"] == pytest.approx(means[-1])
    hardest, easiest = summary["hardest"], summary["easiest"]
    assert [one["document"] for one in hardest] == [8, 7, 6, 5, 4]
    assert [one["document"] for one in easiest] == [2, 3, 4, 5, 6]
    assert easiest[0] == {
        "document": 2,
        "first_token": 3,
        "stop_token": 6,
        "loss": pytest.approx(means[0]),
    }


def test_a_document_whose_first_token_is_not_predicted_is_left_out() -> None:
    tokens = np.array([5, END, 5, END, 5], dtype=np.uint16)
    losses = np.ones(4, dtype=np.float32)  # losses of targets 1 to 4
    assert by_document(losses, tokens, 1, END)["documents"] == 1


def test_equal_documents_come_in_their_order() -> None:
    tokens = np.array([END, *[5, END] * 8], dtype=np.uint16)
    summary = by_document(np.ones(16, dtype=np.float32), tokens, 1, END)
    for end in ("hardest", "easiest"):
        assert [one["document"] for one in summary[end]] == [1, 2, 3, 4, 5]


def test_a_window_within_one_document_says_so() -> None:
    summary = by_document(np.ones(3, dtype=np.float32), np.full(9, 5, np.uint16), 4, END)
    assert summary == {"documents": 0, "tokens": 0, "quantiles": {}, "hardest": [], "easiest": []}


def test_losses_of_documents_by_hand() -> None:
    # Five documents of 3, 2, 4, 1 and 2 tokens, the last without an end. The window begins with the
    # last token of the first document and ends before the last token of the fifth.
    tokens = np.array([7, 7, END, 7, END, 7, 7, 7, END, END, 7, 7], dtype=np.uint16)
    losses = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256], dtype=np.float32)
    assert document_losses(losses, tokens, 2, END) == [
        DocumentLoss(0, 1, 1.0),
        DocumentLoss(1, 2, 6.0),
        DocumentLoss(2, 4, 120.0),
        DocumentLoss(3, 1, 128.0),
        DocumentLoss(4, 1, 256.0),
    ]


@given(ids, st.integers(0, 60), st.integers(0, 60), st.integers(1, 9))
def test_every_target_is_in_one_document(
    tokens: list[int], one: int, other: int, chunk: int
) -> None:
    first, stop = sorted((min(one, len(tokens)), min(other, len(tokens))))
    losses = np.arange(first, stop, dtype=np.float32)
    expected: dict[int, list[int]] = {}
    for place in range(first, stop):
        expected.setdefault(tokens[:place].count(END), []).append(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "CHUNK", chunk)
        found = document_losses(losses, np.array(tokens, dtype=np.uint16), first, END)
    assert [(one.document, one.tokens, one.nats) for one in found] == [
        (document, len(places), float(sum(places))) for document, places in expected.items()
    ]
    if stop > first:
        numbers = documents_in(np.array(tokens, dtype=np.uint16), first, stop, END)
        assert list(numbers) == list(expected)
