"""The scrambled Sobol' points of `scipy.stats.qmc`, without the second that its import takes.

The points are those of `scipy.stats.qmc.Sobol(dimensions, rng=0)`, to the bit: Sobol' (1967), with
the direction numbers of Joe and Kuo (2008), which SciPy has in a file, scrambled by random matrices
and a random shift (Matousek 1998). The i-th point is the shift, XORed with a column of direction
numbers for each bit of the Gray code of i.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from noiseband.stats.least_squares import Floats

BITS = 30
"""Binary digits of a coordinate."""
NUMBERS = "stats/_sobol_direction_numbers.npz"
"""The file with direction numbers in SciPy's folder."""

Integers = npt.NDArray[np.int64]


def sobol(dimensions: int, rows: int) -> Iterator[Floats]:
    """The points in the unit cube, block after block, each of shape (rows, dimensions).

    Args:
        rows: a power of 2.
    """
    known = files("scipy").joinpath(NUMBERS)
    if not known.is_file():  # SciPy keeps them elsewhere, as another version might
        from scipy.stats import qmc

        engine = qmc.Sobol(dimensions, rng=0)
        while True:
            yield engine.random(rows)
    columns, shift = _scrambled(_directions(dimensions, str(known)))
    # Bits of the Gray code of 2^k: k, and k - 1 if there is one.
    steps = columns.astype(np.uint32)
    steps[:, 1:] ^= steps[:, :-1].copy()
    block = np.zeros((1, dimensions), np.uint32)
    for bit in range(rows.bit_length() - 1):
        block = np.concatenate([block, block ^ steps[:, bit]])
    for number in range(2**BITS // rows):
        start = shift.astype(np.uint32)
        for bit in range(BITS):
            if number * rows >> bit & 1:
                start ^= steps[:, bit]
        yield np.multiply(block ^ start, 2.0**-BITS, dtype=np.float64)


def _directions(dimensions: int, file: str) -> Integers:
    """The direction numbers, shape (dimensions, BITS), as numbers of BITS binary digits.

    For a polynomial x^s + a_1 x^(s-1) + ... + a_s, the numbers from the s-th on follow from those
    before: m_j = 2 a_1 m_(j-1) ^ ... ^ 2^s a_s m_(j-s) ^ m_(j-s). The first dimension has none.
    """
    with np.load(file, allow_pickle=False) as known:
        polynomials, first = known["poly"][:dimensions], known["vinit"][:dimensions]
    odd = np.ones((dimensions, BITS), np.int64)
    for row, polynomial, begin in zip(odd[1:], polynomials[1:].tolist(), first[1:], strict=True):
        degree = polynomial.bit_length() - 1
        row[:degree] = begin[:degree]
        for j in range(degree, BITS):
            row[j] = row[j - degree]
            for k in range(1, degree + 1):
                if polynomial >> (degree - k) & 1:
                    row[j] ^= row[j - k] << k
    return odd << np.arange(BITS)[::-1]


def _scrambled(directions: Integers) -> tuple[Integers, Integers]:
    """Direction numbers after the random matrices, and the random shift (dimensions,)."""
    dimensions = len(directions)
    rng = np.random.default_rng(0).spawn(1)[0]
    places = np.arange(BITS)
    shift = rng.integers(2, size=(dimensions, BITS), dtype=np.uint32) @ (2**places)
    matrices = np.tril(rng.integers(2, size=(dimensions, BITS, BITS), dtype=np.uint32))
    matrices[:, places, places] = 1
    digits = directions[:, None, :] >> places[::-1, None] & 1
    mixed = matrices.astype(np.int64) @ digits & 1
    return np.sum(mixed << places[::-1, None], axis=1), np.asarray(shift, np.int64)
