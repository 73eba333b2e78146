"""Did an intervention help, or is it noise?"""

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from noiseband.stats.least_squares import BASELINE, fit
from noiseband.stats.power import seeds_per_arm
from noiseband.stats.simultaneous import Estimate, estimates


class Call(StrEnum):
    """The four possible verdicts on an intervention."""

    HELPS = "helps"
    HURTS = "hurts"
    WITHIN_NOISE = "within noise"
    NOT_ENOUGH_RUNS = "not enough runs"


@dataclass(frozen=True)
class Verdict:
    """What a study says about one intervention. What it cannot say is None."""

    intervention: str
    runs: int = 0
    """Number of runs of this intervention."""
    effect: float | None = None
    """Nats: estimated difference from the baseline; negative is a lower loss, which is better."""
    low: float | None = None
    """Nats: lower end of the interval. The intervals hold for all interventions at once."""
    high: float | None = None
    """Nats: upper end of the interval."""
    p_value: float | None = None
    """p-value, adjusted for all interventions; below alpha if the interval excludes zero."""
    verdict: Call = Call.NOT_ENOUGH_RUNS
    smallest_visible: float | None = None
    """Nats: the smallest size of estimate that the study could have called (half an interval)."""
    seeds_low: int | None = None
    """Seeds for each of two arms that give 80% power if the effect is the interval's far end."""
    seeds_high: int | None = None
    """The same for the end nearest zero; None (no bound) if the interval contains zero."""
    degrees_of_freedom: int | None = None
    """Residual degrees of freedom of the study's model; None if it has no run of this."""
    se: float | None = None
    """Nats: standard error of the effect."""


def verdicts(runs: pd.DataFrame, alpha: float = 0.05) -> list[Verdict]:
    """A verdict for each intervention, in the order in which the table first names them.

    `runs` has one row for each finished, distinct run (no bit-identical repeats: they would count
    one result twice), with the columns `run`, `intervention` ("baseline" for the baseline),
    `init_seed`, `train_seed` and `test_loss` (nats), and perhaps `data_seed`.

    All interventions share one model (`least_squares`) with Dunnett's simultaneous intervals and
    p-values (`simultaneous`); without seed blocks this equals `scipy.stats.dunnett`. The
    verdict is "helps" or "hurts" if the interval excludes zero; in a study where nothing matters,
    that happens at most `alpha` of the time for the whole family. It is "not enough runs" if no
    residual degrees of freedom are left or the runs cannot separate the intervention from its
    seeds.

    Raises ValueError for runs without a finite loss (it names all of them), for a table without a
    baseline or with a run listed twice, and for an alpha outside (0, 1).
    """
    model = fit(runs)
    counts = runs["intervention"].value_counts()
    names = [str(name) for name in runs["intervention"].unique() if name != BASELINE]
    # The family is sorted by name, so that the order of the table's rows changes no digit.
    family = sorted(names)
    found = estimates(model, [{name: 1.0} for name in family], alpha)
    estimate = dict(zip(family, found, strict=True))
    return [
        _verdict(
            name,
            int(counts[name]),
            estimate[name],
            model.residual_sd,
            model.degrees_of_freedom,
            alpha,
        )
        for name in names
    ]


def _verdict(
    name: str,
    runs: int,
    estimate: Estimate,
    sd: float | None,
    degrees_of_freedom: int,
    alpha: float,
) -> Verdict:
    seeds_low, seeds_high = _seeds(estimate, sd, alpha)
    return Verdict(
        intervention=name,
        runs=runs,
        effect=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        verdict=call(estimate.low, estimate.high),
        smallest_visible=estimate.half_width,
        seeds_low=seeds_low,
        seeds_high=seeds_high,
        degrees_of_freedom=degrees_of_freedom,
        se=estimate.se,
    )


def call(low: float | None, high: float | None) -> Call:
    """The verdict for the interval of a change of the loss; the ends are None without one."""
    if low is None or high is None:
        return Call.NOT_ENOUGH_RUNS
    if high < 0:
        return Call.HELPS
    return Call.HURTS if low > 0 else Call.WITHIN_NOISE


def _seeds(estimate: Estimate, sd: float | None, alpha: float) -> tuple[int | None, int | None]:
    """Seeds for a new comparison of this intervention alone, from the two ends of its interval.

    The estimate itself is not used: an effect that was just observed is probably overestimated, so
    the number of seeds computed from it would be too small.
    """
    if sd is None or estimate.low is None or estimate.high is None:
        return None, None
    near, far = sorted((abs(estimate.low), abs(estimate.high)))
    holds_zero = estimate.low <= 0 <= estimate.high
    return seeds_per_arm(far, sd, alpha), None if holds_zero else seeds_per_arm(near, sd, alpha)
