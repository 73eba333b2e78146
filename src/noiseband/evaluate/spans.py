"""Find the spans of a fixed number of tokens that occur in a long sequence, by 64-bit hashes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from noiseband.corpus.token_file import Tokens
from noiseband.randomness import derived_seed

SPAN = 32
"""The number of tokens of a span; a power of two."""
FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio; odd, so that multiplication by it can be inverted."""
SPARE_BITS = 5
"""The filter has 32 to 64 bits for each hash, so at most one in 32 other hashes passes."""

Hashes = NDArray[np.uint64]


def span_hashes(tokens: Tokens) -> Hashes:
    """A hash for each SPAN consecutive tokens, (n,) to (n - SPAN + 1,); none for a shorter text.

    The hash of a span combines the hashes of its two halves, and so on down to a table of random
    numbers, one for each token id. The shift between two levels keeps the hashes of repetitive
    text from cancelling, as sums of powers modulo 2**64 would.
    """
    if len(tokens) < SPAN:
        return np.empty(0, np.uint64)
    hashes: Hashes = _table(max(int(tokens.max()), 2**16 - 1).bit_length())[tokens]
    width = 1
    while width < SPAN:
        hashes = hashes[:-width] * FACTOR + hashes[width:]
        hashes ^= hashes >> np.uint64(32)
        width *= 2
    return hashes


@cache
def _table(bits: int) -> Hashes:
    """Random numbers for ids of so many bits; a larger table begins with those of a smaller one."""
    generator = np.random.Generator(np.random.PCG64(derived_seed("spans")))
    table: Hashes = generator.integers(0, 2**64, 2**bits, dtype=np.uint64)
    return table


class SpanSet:
    """The hashes of a sequence's spans, which are searched for in other sequences.

    It takes about 25 bytes for each different span.
    """

    def __init__(self, hashes: Hashes) -> None:
        self.values, self.counts = np.unique(hashes, return_counts=True)
        self.found = np.zeros(len(self.values), dtype=bool)
        bits = max(len(self.values).bit_length() + SPARE_BITS, 8)
        self.shift = np.uint64(64 - bits)
        # The filter has a bit for each possible prefix of a hash. It excludes most spans of a
        # training set at a tenth of the cost of a binary search.
        self.filter = np.zeros(2 ** (bits - 3), dtype=np.uint8)
        byte, bit = self._place(self.values)
        used, first = np.unique(byte, return_index=True)
        if len(used):
            self.filter[used] = np.bitwise_or.reduceat(np.uint8(1) << bit, first)

    def look_in(self, hashes: Hashes) -> None:
        """Mark the hashes of this set that are among the given ones."""
        byte, bit = self._place(hashes)
        perhaps = hashes[(self.filter[byte] >> bit & 1).astype(bool)]
        place = np.searchsorted(self.values, perhaps)
        place[place == len(self.values)] = 0  # larger than all, so not equal to the first
        self.found[place[self.values[place] == perhaps]] = True

    @property
    def spans(self) -> int:
        """The number of spans in the sequence."""
        return int(self.counts.sum())

    @property
    def spans_found(self) -> int:
        """The number of spans in the sequence that were found, counted with repetitions."""
        return int(self.counts[self.found].sum())

    def _place(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """The index of each hash's byte in the filter, and of its bit in that byte."""
        top = (hashes >> self.shift).view(np.int64)
        return top >> 3, (top & 7).astype(np.uint8)
