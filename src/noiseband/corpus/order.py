"""A shuffled order of any number of sequences, computed place by place, with nothing stored.

A permutation of n indices is a Feistel network over a grid of two nearly equal sides with at least
n cells. A cell outside the n indices goes through the network again until it is inside (cycle
walking), which is rare because the grid has at most sqrt(n) cells too many. Both ideas are in Black
and Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002. Only integers are used, so the
order is the same on every machine.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from noiseband.randomness import derived_seed

ROUNDS = 24
"""Rounds of the network. A large grid needs few, but the smallest grids need many: after 12 rounds
the 720 orders of six sequences are not yet equally likely, after 16 they are."""

Indices = NDArray[np.uint64]


class Order:
    """A permutation of the indices from 0 to `count` - 1, which depends on the key alone."""

    def __init__(self, count: int, *key: int | str) -> None:
        """Raises ValueError if `count` is less than 1 or more than 2^62."""
        if not 1 <= count <= 2**62:
            raise ValueError(f"count={count}: give a number from 1 to 2^62")
        self.count = count
        width = math.isqrt(count - 1) + 1
        self._sides = np.uint64(width), np.uint64(-(-count // width))
        self._keys = [np.uint64(derived_seed(*key, number)) for number in range(ROUNDS)]

    def __call__(self, places: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the indices at these places of the order, int64, in the shape of `places`.

        Raises ValueError for a place outside the order.
        """
        if places.size and not 0 <= int(places.min()) <= int(places.max()) < self.count:
            raise ValueError(f"places are from 0 to {self.count - 1}")
        found = self._network(places.astype(np.uint64))
        while (outside := found >= self.count).any():
            found[outside] = self._network(found[outside])
        return found.astype(np.int64)

    def _network(self, cells: Indices) -> Indices:
        """Permute the cells of the grid: each round shifts one coordinate by a hash of the other.

        A shift can be undone, so every round is a bijection.
        """
        width, height = self._sides
        row, column = np.divmod(cells, width)
        for number, key in enumerate(self._keys):
            if number % 2:
                row = (row + _mixed(column ^ key) % height) % height
            else:
                column = (column + _mixed(row ^ key) % width) % width
        return row * width + column


def _mixed(numbers: Indices) -> Indices:
    """A hash of 64-bit numbers: the output function of SplitMix64 (Steele, Lea and Flood, Fast
    Splittable Pseudorandom Number Generators, OOPSLA 2014). Products wrap around at 2^64."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
