"""A second keyed generator, one number at a time, with Python's integers and floats.

It uses no vector instructions and no library's logarithm. A generator with equal numbers therefore
needs only 64-bit integers and IEEE double + - * / and square root from a machine.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator

from noiseband.model import keyed

MASK = 2**64 - 1


def philox(key: tuple[int, int]) -> Iterator[int]:
    """The 64-bit words of Philox4x64-10, with counters from 1 (Salmon et al., 2011)."""
    counter = 0
    while True:
        counter += 1
        x = [counter & MASK, counter >> 64, 0, 0]
        k0, k1 = key
        for _ in range(10):
            low, high = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
            x = [(high >> 64) ^ x[1] ^ k0, high & MASK, (low >> 64) ^ x[3] ^ k1, low & MASK]
            k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
        yield from x


def uniforms(seed: int, name: str) -> Iterator[float]:
    """Doubles in (0, 1)."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    key = struct.unpack("<QQ", digest[:16])
    for word in philox((key[0], key[1])):
        yield ((word >> 12) + 0.5) * 2.0**-52


def logarithm(x: float) -> float:
    mantissa, exponent = math.frexp(x)
    if mantissa < 0.7071067811865476:
        mantissa, exponent = mantissa * 2.0, exponent - 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = 1.0 / 25.0
    for odd in range(23, 0, -2):
        series = series * (s * s) + 1.0 / odd
    return 2.0 * s * series + exponent * 0.6931471805599453


def ratio(coefficients: tuple[list[float], list[float]], x: float) -> float:
    above, below = coefficients[0][0], coefficients[1][0]
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        above, below = above * x + a, below * x + b
    return above / below


def quantile(p: float) -> float:
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * ratio(keyed._CENTRE, 0.180625 - q * q)
    r = math.sqrt(-logarithm(p if q < 0 else 1.0 - p))
    size = ratio(keyed._TAIL, r - 1.6) if r <= 5.0 else ratio(keyed._FAR_TAIL, r - 5.0)
    return -size if q < 0 else size


def float32(x: float) -> bytes:
    return struct.pack("<f", x)
