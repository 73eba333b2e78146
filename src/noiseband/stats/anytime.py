"""Verdicts that hold however often a study is looked at: tests by betting on pairs of runs.

An arm and the baseline have a run on each of n seeds. Let t be the paired t statistic and v = n - 1
its degrees of freedom. Under an effect of zero,

    E = (1 + n tau^2)^(-1/2) [(1 + t^2 / v) / (1 + t^2 / ((1 + n tau^2) v))]^((v + 1) / 2)

is the likelihood ratio of the t statistic when the effect, in SDs of a pair's difference, is drawn
from N(0, tau^2), to that without an effect. As pairs are added, it is a martingale of t statistics,
so the probability that E ever reaches 1 / alpha is at most alpha (Ville 1939; Lai 1976 and Wang and
Ramdas 2023 for this E). For a family of k arms, E must reach k / alpha (Bonferroni).

The price is power: an effect must be large, or the pairs many. tau says which effects are expected;
it changes the power and not the error rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TAU = 2.0
"""SD of the effects that are expected, in SDs of a pair's difference."""


@dataclass(frozen=True)
class Anytime:
    """What the pairs of one arm say, at any number of looks."""

    pairs: int
    effect: float
    """Mean difference from the baseline."""
    e_value: float
    """E after the last pair."""
    low: float
    """Lower end of the interval; minus infinity if no effect can be ruled out yet."""
    high: float
    p_value: float
    """The family times 1 / E, at most 1."""


def anytime(
    differences: Sequence[float], family: int = 1, alpha: float = 0.05, tau: float = TAU
) -> Anytime | None:
    """Judge an arm by its differences from the baseline, a pair for each seed.

    The intervals of a family of `family` arms cover together, at all numbers of pairs, with
    probability at least 1 - alpha. None for fewer than two pairs, or if they do not scatter.
    """
    values = np.asarray(differences, np.float64)
    pairs = len(values)
    sd = float(values.std(ddof=1)) if pairs > 1 else 0.0
    if not sd > 1e-12 * float(np.abs(values).max(initial=0.0)):
        return None
    effect, error = float(values.mean()), sd / math.sqrt(pairs)
    log_e = log_e_value(effect / error, pairs, tau)
    half_width = limit(pairs, family / alpha, tau) * error
    return Anytime(
        pairs=pairs,
        effect=effect,
        e_value=math.exp(min(log_e, 700.0)),
        low=effect - half_width,
        high=effect + half_width,
        p_value=min(1.0, family * math.exp(-max(log_e, -700.0))),
    )


def log_e_value(t: float, pairs: int, tau: float = TAU) -> float:
    """The natural logarithm of E for a paired t statistic of `pairs` pairs, two or more."""
    freedom, grown = pairs - 1, 1.0 + pairs * tau**2
    ratio = math.log1p(t**2 / freedom) - math.log1p(t**2 / (grown * freedom))
    return (freedom + 1) / 2 * ratio - 0.5 * math.log(grown)


def limit(pairs: int, wanted: float, tau: float = TAU) -> float:
    """The |t| at which E reaches `wanted`, 1 or more; infinite if no t is enough."""
    freedom, grown = pairs - 1, 1.0 + pairs * tau**2
    power = (wanted * math.sqrt(grown)) ** (2.0 / (freedom + 1))
    if power >= grown:
        return math.inf
    return math.sqrt(freedom * (power - 1.0) / (1.0 - power / grown))
