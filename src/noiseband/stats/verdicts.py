"""Did an intervention help, or is it noise?"""

from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from noiseband.stats.least_squares import BASELINE, fit
from noiseband.stats.power import seeds_per_arm
from noiseband.stats.simultaneous import Estimate, estimates


class Call(StrEnum):
    """The four things that can be said of an intervention."""

    HELPS = "helps"
    HURTS = "hurts"
    WITHIN_NOISE = "within noise"
    NOT_ENOUGH_RUNS = "not enough runs"


@dataclass(frozen=True)
class Verdict:
    """What a study says of one intervention. What it cannot say is None."""

    intervention: str
    runs: int = 0
    """Runs of this intervention."""
    effect: float | None = None
    """Nats: estimated difference from the baseline; negative is a lower loss, better."""
    low: float | None = None
    """Nats: lower end of the interval. All intervals of a study cover together."""
    high: float | None = None
    """Nats: upper end of the interval."""
    p_value: float | None = None
    """Adjusted for all interventions of the study. Below alpha if the interval excludes zero."""
    verdict: Call = Call.NOT_ENOUGH_RUNS
    smallest_visible: float | None = None
    """Nats: the smallest size of estimate that this study could have called (half an interval)."""
    seeds_low: int | None = None
    """Seeds for each of two arms that give 80% power, if the effect is the interval's far end."""
    seeds_high: int | None = None
    """The same for the end nearest zero; None, without bound, if the interval contains zero."""
    degrees_of_freedom: int | None = None
    """Residual degrees of freedom of the study's one model; None where it has no run of this."""
    se: float | None = None
    """Nats: standard error of the effect."""


def verdicts(runs: pd.DataFrame, alpha: float = 0.05) -> list[Verdict]:
    """A verdict for each intervention, in the order in which the table first names them.

    `runs` has one row for each finished, distinct run (no bit-identical repeats: they would count
    one result twice), with the columns `run`, `intervention` ("baseline" for the baseline),
    `init_seed`, `train_seed` and `test_loss` (nats).

    One model for all (`least_squares`), Dunnett's simultaneous intervals and p-values
    (`simultaneous`); without seed-pair blocks this equals `scipy.stats.dunnett`. "helps" or "hurts"
    is said of an interval that excludes zero: on a study where nothing matters, that is at most
    `alpha` of the time for the whole family. The verdict is "not enough runs" where no residual
    degrees of freedom are left or the runs cannot separate the intervention from its seeds.

    Raises ValueError for runs without a finite loss (all named), for a table without a baseline or
    with a run listed twice, and for an alpha outside (0, 1).
    """
    model = fit(runs)
    counts = runs["intervention"].value_counts()
    names = [str(name) for name in runs["intervention"].unique() if name != BASELINE]
    # The family is asked for by name, so that the order of the table's rows changes no digit.
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
    """What an interval for a change of the loss says; None where there is no interval."""
    if low is None or high is None:
        return Call.NOT_ENOUGH_RUNS
    if high < 0:
        return Call.HELPS
    return Call.HURTS if low > 0 else Call.WITHIN_NOISE


def _seeds(estimate: Estimate, sd: float | None, alpha: float) -> tuple[int | None, int | None]:
    """Seeds for a fresh comparison of this intervention alone, from its interval's two ends.

    From the ends and not from the estimate: an effect that was just seen is likely to be
    overestimated, and a number of seeds computed from it too small.
    """
    if sd is None or estimate.low is None or estimate.high is None:
        return None, None
    near, far = sorted((abs(estimate.low), abs(estimate.high)))
    holds_zero = estimate.low <= 0 <= estimate.high
    return seeds_per_arm(far, sd, alpha), None if holds_zero else seeds_per_arm(near, sd, alpha)
