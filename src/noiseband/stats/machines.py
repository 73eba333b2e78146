"""The machine as a source of noise: runs of one recipe with other results on other machines."""

from collections.abc import Mapping, Sequence

import numpy as np

from noiseband.stats.maxt import critical_value, tail_probability
from noiseband.stats.noise import NoiseComponent, sd_interval
from noiseband.stats.simultaneous import Estimate

MACHINE = "machine"


def machine_component(
    groups: Sequence[Mapping[str, float]], around: float, alpha: float = 0.05
) -> NoiseComponent | None:
    """How much runs of one recipe scatter over machines, pooled over all recipes.

    Each of `groups` maps the runs of one recipe and its seeds to their test losses in nats: twins,
    which differ only in microbatch and machine, and repeats with other bits than their original.
    Groups of one run are left out; None if no other group exists.

    The SD is pooled within groups: squares of the distances from each group's mean, over
    n - (number of groups) degrees of freedom, with the chi-square interval at level 1 - alpha.
    `points` are those distances, shifted to `around`, so that recipes with different losses can be
    compared. The caller fills in the seeds.
    """
    usable = [group for group in groups if len(group) > 1]
    if not usable:
        return None
    distances = np.concatenate(
        [np.array(list(group.values())) - np.mean(list(group.values())) for group in usable]
    )
    degrees_of_freedom = len(distances) - len(usable)
    sd = float(np.sqrt((distances**2).sum() / degrees_of_freedom))
    low, high = sd_interval(sd, degrees_of_freedom, alpha)
    points = distances + around
    return NoiseComponent(
        component=MACHINE,
        n=len(distances),
        degrees_of_freedom=degrees_of_freedom,
        mean=around,
        sd=sd,
        sd_low=low,
        sd_high=high,
        minimum=float(points.min()),
        maximum=float(points.max()),
        runs=tuple(run for group in usable for run in group),
        points=tuple(points.tolist()),
    )


def between_machines(
    differences: Sequence[float], sd: float, degrees_of_freedom: int, alpha: float = 0.05
) -> list[Estimate]:
    """Estimates for differences in nats between pairs of runs of one recipe on two machines.

    If only the machines differ, each difference has mean zero and an SD of `sd`, that of one
    machine's effect, times the root of two. Intervals at level 1 - alpha hold for all pairs at once
    (the studentized maximum modulus of independent differences), and p-values are adjusted in the
    same way.

    Raises ValueError if `sd` is not positive or has no degrees of freedom.
    """
    if sd <= 0 or degrees_of_freedom < 1:
        raise ValueError(f"sd {sd}, {degrees_of_freedom} degrees of freedom: both must be positive")
    if not differences:
        return []
    apart = np.eye(len(differences))
    se = sd * float(np.sqrt(2.0))
    half_width = critical_value(alpha, apart, degrees_of_freedom) * se
    return [
        Estimate(
            value=value,
            se=se,
            low=value - half_width,
            high=value + half_width,
            half_width=half_width,
            p_value=tail_probability(abs(value) / se, apart, degrees_of_freedom),
        )
        for value in differences
    ]
