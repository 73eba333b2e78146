"""How many seeds a firmer verdict needs."""

import math

from scipy import special

from noiseband.stats import student

POWER = 0.8

# From this number on, the t and the normal formula differ by about one seed: below 0.1%.
_NORMAL_FROM = 1000


def power(effect: float, sd: float, seeds: int, alpha: float = 0.05) -> float:
    """Probability that a verdict on one intervention calls a true difference of `effect` nats.

    The baseline and the intervention both run on the same `seeds` seeds, at least 2, so that the
    verdict is a paired t-test at `alpha`. `sd` is the SD in nats, above 0, of runs of one arm on
    one set of seeds; that of a paired difference is the root of two times as large. The statistic
    has a noncentral t distribution with seeds - 1 degrees of freedom (Cohen 1988, chapter 2). A
    call in the wrong direction does not count.
    """
    degrees_of_freedom = seeds - 1
    shift = abs(effect) / sd * math.sqrt(seeds / 2)
    critical = student.limit(alpha / 2, degrees_of_freedom)
    # SciPy gives NaN for a tail that is 1 to all digits.
    found = 1.0 - float(special.nctdtr(degrees_of_freedom, shift, critical))
    return 1.0 if math.isnan(found) else found


def seeds_per_arm(effect: float, sd: float, alpha: float = 0.05) -> int | None:
    """The fewest seeds for both of two arms, at least 2, that give 80% power; units as in `power`.

    None for an effect of zero, which no number of seeds detects.
    """
    if effect == 0:
        return None
    quantiles = float(special.ndtri(POWER)) - float(special.ndtri(alpha / 2))
    # The normal formula is a lower bound on the t-test's need, so the search may start there.
    seeds = max(2, math.ceil(2 * (quantiles * sd / effect) ** 2))
    if sd == 0 or seeds >= _NORMAL_FROM:
        return seeds
    while power(effect, sd, seeds, alpha) < POWER:
        seeds += 1
    return seeds
