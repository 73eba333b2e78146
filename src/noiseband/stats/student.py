"""Student's t distribution as `scipy.stats` has it, to the bit, without the second that the import
of `scipy.stats` takes."""

from __future__ import annotations

from scipy import special


def above(t: float, degrees_of_freedom: float) -> float:
    """P(T > t)."""
    return float(special.stdtr(degrees_of_freedom, -t))


def limit(share: float, degrees_of_freedom: float) -> float:
    """The t that T exceeds with probability `share`."""
    return -float(special.stdtrit(degrees_of_freedom, share))
