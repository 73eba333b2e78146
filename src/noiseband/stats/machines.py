"""The machine as a source of noise: runs of one recipe that came out differently elsewhere."""

from collections.abc import Mapping, Sequence

import numpy as np

from noiseband.stats.noise import NoiseComponent, sd_interval

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
    `points` are those distances, moved to `around`, so that recipes of other losses compare.
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
        name=MACHINE,
        n=len(distances),
        degrees_of_freedom=degrees_of_freedom,
        mean=around,
        sd=sd,
        low=low,
        high=high,
        minimum=float(points.min()),
        maximum=float(points.max()),
        points=tuple(points.tolist()),
        runs=tuple(run for group in usable for run in group),
        missing=(),
    )
