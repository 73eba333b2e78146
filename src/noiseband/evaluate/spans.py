"""Which segments of a fixed number of tokens occur in a long sequence, by 64-bit hashes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from noiseband.randomness import derived_seed

SPAN = 32
"""Tokens of a span; a power of two."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that multiplying loses nothing: 2**64 over the golden ratio."""
SPARE_BITS = 5
"""The filter has from 32 to 64 bits a hash, so that at most one in 32 others passes."""

Hashes = NDArray[np.uint64]


def span_hashes(tokens: NDArray[np.uint16]) -> Hashes:
    """A hash of each SPAN consecutive tokens, (n,) to (n - SPAN + 1,); none where there are fewer.

    A span's hash is made of its halves', theirs of their halves' and so on down to a table of
    random numbers, one for each token id. The shift between two levels keeps the product of a
    repetitive text from cancelling, as sums of powers modulo 2**64 do.
    """
    if len(tokens) < SPAN:
        return np.empty(0, np.uint64)
    hashes = _table()[tokens]
    width = 1
    while width < SPAN:
        hashes = hashes[:-width] * FACTOR + hashes[width:]
        hashes ^= hashes >> np.uint64(32)
        width *= 2
    return hashes


@cache
def _table() -> Hashes:
    generator = np.random.Generator(np.random.PCG64(derived_seed("spans")))
    return generator.integers(0, 2**64, 2**16, dtype=np.uint64)


class SpanSet:
    """The hashes of a sequence's spans, to be looked for in others.

    Holds about 25 bytes for each different span.
    """

    def __init__(self, hashes: Hashes) -> None:
        self.values, self.counts = np.unique(hashes, return_counts=True)
        self.found = np.zeros(len(self.values), dtype=bool)
        bits = max(len(self.values).bit_length() + SPARE_BITS, 8)
        self.shift = np.uint64(64 - bits)
        # A bit for each possible beginning of a hash. Most spans of a training set are told from
        # all of ours by it, at a tenth of what a binary search costs.
        self.filter = np.zeros(2 ** (bits - 3), dtype=np.uint8)
        byte, bit = self._place(self.values)
        used, first = np.unique(byte, return_index=True)
        if len(used):
            self.filter[used] = np.bitwise_or.reduceat(np.uint8(1) << bit, first)

    def look_in(self, hashes: Hashes) -> None:
        """Mark those of ours that are among the hashes given."""
        byte, bit = self._place(hashes)
        perhaps = hashes[(self.filter[byte] >> bit & 1).astype(bool)]
        place = np.searchsorted(self.values, perhaps)
        place[place == len(self.values)] = 0  # larger than all of ours, so not the first one
        self.found[place[self.values[place] == perhaps]] = True

    @property
    def spans(self) -> int:
        """Spans of the sequence."""
        return int(self.counts.sum())

    @property
    def spans_found(self) -> int:
        """Spans of the sequence that were found, each as often as it stands there."""
        return int(self.counts[self.found].sum())

    def _place(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """The filter's byte for each hash, and the bit in it."""
        top = (hashes >> self.shift).view(np.int64)
        return top >> 3, (top & 7).astype(np.uint8)
