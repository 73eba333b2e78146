"""Random tensors keyed by (seed, name), with the same bits on every machine.

The bits come from Philox, a counter-based generator in integer arithmetic (Salmon et al., 2011;
NumPy guarantees its stream), keyed by SHA-256 of seed and name. All further steps use only IEEE
+ - * / and sqrt in float64, with one rounding each. Logarithms and cosines of libraries are not
used, because their last bits differ between machines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

CHUNK = 1 << 20
"""Elements drawn at once. This limits the memory and does not change the numbers."""


def key(seed: int, name: str) -> NDArray[np.uint64]:
    """The 128-bit key for Philox as two uint64."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64)


def standard_uniform(generator: np.random.Philox, count: int) -> Float64:
    """float64 draws in (0, 1), both ends excluded: odd multiples of 2**-53."""
    raw = generator.random_raw(count) >> np.uint64(12)
    return (raw.astype(np.float64) + 0.5) * 2.0**-52


def logarithm(x: Float64) -> Float64:
    """Natural logarithm of positive float64 numbers, within a few units in the last place.

    With x = m * 2**e and m in [sqrt(1/2), sqrt(2)), the series of
    log m = 2 artanh((m - 1) / (m + 1)) is used.
    """
    mantissa, exponent = np.frexp(x)
    low = mantissa < 0.7071067811865476
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    exponent = exponent - low
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = np.full_like(s, 1.0 / 25.0)
    for odd in range(23, 0, -2):
        series = series * square + 1.0 / odd
    return 2.0 * s * series + exponent * 0.6931471805599453


# Wichura (1988), algorithm AS 241, PPND16: coefficients of three rational functions,
# highest power first.
_CENTRE = (
    [2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080],
    [5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0],
)  # fmt: skip
_TAIL = (
    [7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
     4.63033784615654529590, 1.42343711074968357734],
    [1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
     2.05319162663775882187, 1.0],
)  # fmt: skip
_FAR_TAIL = (
    [2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
     2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580,
     5.46378491116411436990, 6.65790464350110377720],
    [2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
     7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
     5.99832206555887937690e-1, 1.0],
)  # fmt: skip


def _ratio(coefficients: tuple[list[float], list[float]], x: Float64) -> Float64:
    above, below = (np.full_like(x, c[0]) for c in coefficients)
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        above = above * x + a
        below = below * x + b
    return above / below


def normal_quantile(p: Float64) -> Float64:
    """Inverse of the standard normal distribution function for p in (0, 1), by AS 241."""
    q = p - 0.5
    value = q * _ratio(_CENTRE, 0.180625 - q * q)
    tail = np.abs(q) > 0.425
    if tail.any():
        r = np.sqrt(-logarithm(np.where(q[tail] < 0, p[tail], 1.0 - p[tail])))
        near = _ratio(_TAIL, r - 1.6)
        far = _ratio(_FAR_TAIL, r - 5.0)
        value[tail] = np.where(q[tail] < 0, -1.0, 1.0) * np.where(r <= 5.0, near, far)
    return value


def normal(seed: int, name: str, count: int, std: float = 1.0) -> NDArray[np.float32]:
    """`count` draws from N(0, std^2), rounded once to float32."""
    return _draw(seed, name, count, lambda u: normal_quantile(u) * std)


def uniform(seed: int, name: str, count: int, bound: float) -> NDArray[np.float32]:
    """`count` draws from U(-bound, bound), rounded once to float32."""
    return _draw(seed, name, count, lambda u: (2.0 * u - 1.0) * bound)


def _draw(
    seed: int, name: str, count: int, transform: Callable[[Float64], Float64]
) -> NDArray[np.float32]:
    generator = np.random.Philox(key=key(seed, name))
    out = np.empty(count, dtype=np.float32)
    for begin in range(0, count, CHUNK):
        end = min(begin + CHUNK, count)
        out[begin:end] = transform(standard_uniform(generator, end - begin))
    return out
