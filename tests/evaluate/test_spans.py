"""Span hashes differ for different text, even if it is repetitive, and are found as in a set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noiseband.evaluate.spans import SPAN, SpanSet, span_hashes

Tokens = NDArray[np.uint16]


def spans(tokens: Tokens) -> list[bytes]:
    return [tokens[at : at + SPAN].tobytes() for at in range(len(tokens) - SPAN + 1)]


def thue_morse() -> Tokens:
    """The Thue-Morse sequence, for which sums of powers modulo 2**64 collide."""
    return np.array([place.bit_count() % 2 for place in range(4096)], dtype=np.uint16)


def periodic() -> Tokens:
    return np.concatenate([np.tile(np.arange(n), 100 // n) for n in range(1, 40)]).astype(np.uint16)


def two_ids() -> Tokens:
    return np.random.default_rng(0).integers(0, 2, 50_000).astype(np.uint16)


def all_ids() -> Tokens:
    return np.random.default_rng(1).integers(0, 2**16, 50_000).astype(np.uint16)


@pytest.mark.parametrize("make", [thue_morse, periodic, two_ids, all_ids])
def test_a_hash_stands_for_one_span_wherever_it_is(make: object) -> None:
    tokens: Tokens = make()  # type: ignore[operator]
    by_span = dict[bytes, int]()
    for span, found in zip(spans(tokens), span_hashes(tokens).tolist(), strict=True):
        assert by_span.setdefault(span, found) == found
    assert len(by_span) > 30
    assert len(set(by_span.values())) == len(by_span)


def test_every_bit_of_a_hash_is_used() -> None:
    hashes = span_hashes(two_ids())
    for bit in range(64):
        share = float(np.mean(hashes >> np.uint64(bit) & np.uint64(1)))
        assert share == pytest.approx(0.5, abs=0.02)


def test_short_sequences_have_no_span() -> None:
    assert len(span_hashes(np.zeros(SPAN - 1, np.uint16))) == 0
    assert len(span_hashes(np.zeros(SPAN, np.uint16))) == 1


hashes = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9) | st.just(2**64 - 1), max_size=50)


@given(hashes, st.lists(hashes, max_size=3))
def test_found_is_what_a_set_finds(ours: list[int], others: list[list[int]]) -> None:
    given = SpanSet(np.array(ours, np.uint64))
    for other in others:
        # Some hashes of the set are added, because random ones would never be found.
        given.look_in(np.array([*other, *ours[: len(other)]], np.uint64))
    seen = {value for other in others for value in [*other, *ours[: len(other)]]}
    assert given.spans == len(ours)
    assert given.spans_found == sum(value in seen for value in ours)


def test_the_filter_lets_few_others_pass() -> None:
    generator = np.random.default_rng(2)
    given = SpanSet(generator.integers(0, 2**64, 10_000, dtype=np.uint64))
    byte, bit = given._place(generator.integers(0, 2**64, 100_000, dtype=np.uint64))
    assert np.mean(given.filter[byte] >> bit & 1) < 1 / 30
