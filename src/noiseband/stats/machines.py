"""The machine as a source of noise: runs of one recipe that came out differently elsewhere."""

from collections.abc import Mapping, Sequence

import numpy as np

from noiseband.stats.maxt import critical_value, tail_probability
from noiseband.stats.noise import NoiseComponent, sd_interval
from noiseband.stats.simultaneous import Estimate

MACHINE = "machine"


def machine_component(
    groups: Sequence[Mapping[str, float]], around: float, alpha: float = 0.05
) -> NoiseComponent | None:
    """How much runs of one recipe scatter over machines, all recipes together.

    Each of `groups` has the runs of one recipe and seed pair, by name, with their test losses in
    nats: twins, which differ in microbatch and machine alone, and repeats with other bits than
    their original. Groups of one run say nothing and are left out; None if no other is there.

    The SD is pooled within groups: squares of the distances from each group's mean, over
    n - (number of groups) degrees of freedom, with the chi-square interval at level 1 - alpha.
    `points` are those distances, moved to `around`, so that recipes of other losses compare. Seed
    pairs are left to the caller, who knows them.
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
    """Differences in nats of as many pairs of runs, each pair of one recipe on two machines.

    If nothing but machines differs, each has mean zero and the SD of one machine's effect, `sd`,
    times the root of two. Intervals at level 1 - alpha hold for all pairs at once (the studentized
    maximum modulus of independent differences), and p-values are adjusted alike.

    Raises ValueError where `sd` is not positive or has no degrees of freedom.
    """
    if sd <= 0 or degrees_of_freedom < 1:
        raise ValueError(f"sd={sd} with {degrees_of_freedom} degrees of freedom tells no scatter")
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
