"""How many seeds a firmer verdict needs."""

import math

from scipy import stats

POWER = 0.8

# From this number on, the t and the normal formula differ by about one seed: below 0.1%.
_NORMAL_FROM = 1000


def power(effect: float, sd: float, seeds: int, alpha: float = 0.05) -> float:
    """Probability that a two-sided t-test at `alpha` detects a true difference of `effect` nats.

    Each of the two arms has `seeds` runs, at least 2, with a residual SD of `sd` nats, above 0. The
    statistic has the noncentral t distribution with 2 (seeds - 1) degrees of freedom (Cohen 1988,
    chapter 2). A call in the wrong direction does not count.
    """
    degrees_of_freedom = 2 * (seeds - 1)
    shift = abs(effect) / sd * math.sqrt(seeds / 2)
    critical = stats.t.isf(alpha / 2, degrees_of_freedom)
    return float(stats.nct.sf(critical, degrees_of_freedom, shift))


def seeds_per_arm(effect: float, sd: float, alpha: float = 0.05) -> int | None:
    """The fewest seeds for each of two arms, at least 2, that give 80% power; units as in `power`.

    None for an effect of zero, which no number of seeds detects.
    """
    if effect == 0:
        return None
    quantiles = float(stats.norm.isf(alpha / 2)) + float(stats.norm.ppf(POWER))
    # The normal formula is a lower bound on the t-test's need, so the search may start there.
    seeds = max(2, math.ceil(2 * (quantiles * sd / effect) ** 2))
    if sd == 0 or seeds >= _NORMAL_FROM:
        return seeds
    while power(effect, sd, seeds, alpha) < POWER:
        seeds += 1
    return seeds
