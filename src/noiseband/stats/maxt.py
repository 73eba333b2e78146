"""The largest of several correlated t statistics: tail probabilities and critical values.

Dunnett's test needs P(max |T_i| > t) for T = Z / s, with Z multivariate normal (zero mean, unit
variances, the contrasts' correlation R) and s^2 an independent chi-square over its degrees of
freedom. Write R = L L' and Z = r L u, with u uniform on the unit sphere in k dimensions and r^2 a
chi-square with k degrees of freedom. Along one direction u the largest |T_i| is m(u) r / s, where
m(u) = max |(L u)_i|, and r^2 / (k s^2) has an F distribution. So (Deak 1980, for the normal case)

    P(max |T_i| > t) = mean over u of P(F(k, df) > (t / m(u))^2 / k).

The radius is integrated exactly; only the direction needs points, which are a fixed set. The result
is therefore a deterministic, smooth, decreasing function of t. Both p-values and critical values
come from it, so they always agree. The tests measure its error against a two-dimensional
quadrature. `scipy.stats.multivariate_t` would integrate again, with noise, for every p-value.
"""

from functools import lru_cache
from itertools import islice

import numpy as np
from scipy import optimize, special

from noiseband.stats import student
from noiseband.stats.least_squares import Floats
from noiseband.stats.sobol import sobol

_DIRECTIONS_LOG2 = 18
_GROUPS = 1024
_BLOCK = 2**24
"""Numbers drawn at once (128 MB). Families of up to 64 contrasts are drawn in one block."""


@lru_cache(maxsize=64)
def _lengths(correlation: bytes, size: int) -> Floats:
    """m(u) over the fixed directions, summarised by the means of 1,024 equal groups.

    m is one number for each direction, so sorting and averaging neighbours changes a probability by
    about 1e-6 and makes every later evaluation a hundred times cheaper. The result is cached,
    because every p-value of a study uses the same correlation.
    """
    matrix = np.frombuffer(correlation).reshape(size, size)
    root = np.asarray(np.linalg.cholesky(matrix), np.float64)
    rows = min(2**_DIRECTIONS_LOG2, 1 << (_BLOCK // size).bit_length() - 1)
    points = islice(sobol(size, rows), 2**_DIRECTIONS_LOG2 // rows)
    blocks = [_largest(some, root) for some in points]
    lengths: Floats = np.sort(np.concatenate(blocks)).reshape(_GROUPS, -1).mean(axis=1)
    lengths.flags.writeable = False
    return lengths


def _largest(points: Floats, root: Floats) -> Floats:
    """m(u) of the directions of some points in the unit cube, shape (rows,)."""
    # A point may be at zero, on the edge of the cube, where the normal is infinite: move it inside.
    normal = special.ndtri(np.maximum(points, 2.0**-31))
    largest: Floats = np.abs(normal @ root.T).max(axis=1) / np.linalg.norm(normal, axis=1)
    return largest


def tail_probability(t: float, correlation: Floats, degrees_of_freedom: float) -> float:
    """P(max |T_i| > t) for k statistics with this correlation, shape (k, k), positive definite.

    `t` is at least 0. Returns a probability between 0 and 1 with an error of about 1e-4; for
    families of 30 and more, 5e-4, but 1e-4 for probabilities below 0.1.
    """
    size = len(correlation)
    # Rounded, so that the last bits of a covariance cannot give one design two cache keys.
    lengths = _lengths(np.round(correlation, 12).tobytes(), size)
    tails = special.fdtrc(size, degrees_of_freedom, (t / lengths) ** 2 / size)
    return float(np.clip(tails.mean(), 0.0, 1.0))


def critical_value(alpha: float, correlation: Floats, degrees_of_freedom: float) -> float:
    """The t that max |T_i| exceeds with probability `alpha`; arguments as in `tail_probability`.

    It is between the critical value of a single statistic and Bonferroni's.
    """
    single = student.limit(alpha / 2, degrees_of_freedom)
    bonferroni = student.limit(alpha / 2 / len(correlation), degrees_of_freedom)
    return float(
        optimize.brentq(
            lambda t: tail_probability(t, correlation, degrees_of_freedom) - alpha,
            0.9 * single,
            1.1 * bonferroni,
            xtol=1e-12,
        )
    )
