"""Did an intervention help, or is it noise?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import pandas as pd

from noiseband.stats.family import Family, family, new_run
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.own import own_intervals
from noiseband.stats.pool import Pooled, pooled
from noiseband.stats.power import seeds_per_arm
from noiseband.stats.simultaneous import Estimate

FIRM = 10.0
"""A verdict that would survive an intervention this many times as noisy as the others is firm."""


Better = Literal["lower", "higher"]
"""Which direction of a metric is better."""


class Call(StrEnum):
    """The possible verdicts on an intervention."""

    HELPS = "helps"
    HURTS = "hurts"
    NO_DIFFERENCE = "no difference that matters"
    WITHIN_NOISE = "within noise"
    NOT_ENOUGH_RUNS = "not enough runs"
    IDENTICAL = "identical"


@dataclass(frozen=True)
class Verdict:
    """What a study says about one intervention. What it cannot say is None."""

    intervention: str
    runs: int = 0
    """Number of distinct runs of this intervention."""
    effect: float | None = None
    """Estimated difference from the baseline. This and all numbers that are no ratio, count or
    probability are in the metric's unit."""
    low: float | None = None
    """Lower end of the interval. The intervals hold for all interventions at once."""
    high: float | None = None
    """Upper end of the interval."""
    p_value: float | None = None
    """p-value, adjusted for all interventions; below alpha if the interval excludes zero."""
    verdict: Call = Call.NOT_ENOUGH_RUNS
    tipping_ratio: float | None = None
    """How many times as noisy as the other arms this one would have to be for the interval to reach
    zero; None unless the interval excludes zero."""
    own_low: float | None = None
    """Lower end of the interval from this intervention's own scatter, without pooling; None
    for fewer than three runs."""
    own_high: float | None = None
    """Upper end of that interval."""
    scatter_ratio: float | None = None
    """SD of this intervention's runs over that of the others, if it is so far out of line that the
    intervention does not share their variance; otherwise None."""
    same_as: str | None = None
    """The arm whose runs are the same as those of this intervention, bit for bit."""
    smallest_visible: float | None = None
    """The smallest size of estimate that the study could have called (half an interval)."""
    seeds_low: int | None = None
    """Seeds, shared by both arms, that give 80% power if the effect is the interval's far end."""
    seeds_high: int | None = None
    """The same for the end nearest zero; None (no bound) if the interval contains zero."""
    degrees_of_freedom: int | None = None
    """Residual degrees of freedom of the study's model; None if it has no run of this."""
    se: float | None = None
    """Standard error of the effect."""

    @property
    def firm(self) -> bool:
        """Whether a called verdict does not depend on the shared variance: the intervention's own
        interval excludes zero as well, or the tipping ratio is at least `FIRM`."""
        if self.tipping_ratio is None or self.own_low is None or self.own_high is None:
            return self.tipping_ratio is not None and self.tipping_ratio >= FIRM
        excluded = not self.own_low <= 0 <= self.own_high
        return excluded or self.tipping_ratio >= FIRM


@dataclass(frozen=True)
class Assessment:
    """The verdicts of a study, and the noise behind them."""

    verdicts: tuple[Verdict, ...]
    """One for each intervention, in the order in which the table first names them."""
    residual_sd: float | None
    """SD of what neither the arm nor the seeds explain; None if the runs cannot say."""
    band: float | None
    """Half the width of the band in which a new run of the baseline falls, on new seeds."""
    residuals: pd.Series
    """By run: what neither the arm nor the seeds explain. Only of runs that share the
    variance."""
    evidence: Pooled
    """The runs that count, and their model."""


def verdicts(
    runs: pd.DataFrame,
    alpha: float = 0.05,
    margin: float | None = None,
    better: Better = "lower",
) -> list[Verdict]:
    """A verdict for each intervention, in the order in which the table first names them; arguments
    and errors as for `assess`."""
    return list(assess(runs, alpha, margin, better).verdicts)


def assess(
    runs: pd.DataFrame,
    alpha: float = 0.05,
    margin: float | None = None,
    better: Better = "lower",
) -> Assessment:
    """The verdicts of a study, and the noise behind them.

    `runs` has one row for each finished run, with the columns `run`, `intervention` ("baseline" for
    the baseline), `init_seed`, `train_seed` and `value` (the metric), and perhaps `data_seed` and
    `identity` (`distinct` says how equal runs are found; each counts once).

    All interventions share one model (`mixed`), and the intervals hold for all of them at once
    (`family`). An intervention whose runs scatter out of line with the others' (`pool`) leaves the
    model and is judged by its own scatter (`own`).

    The verdict is "helps" or "hurts" if the interval excludes zero; in a study where nothing
    matters, that happens at most `alpha` of the time for the whole family. `better` is the
    direction of the metric that helps. With a `margin` in the metric's unit, the verdict is "no
    difference that matters" if the whole interval is less than the margin away from zero.
    It is "identical" if all runs of the intervention are runs of the baseline, bit for bit, and
    "not enough runs" if the runs cannot say how much they scatter.

    Raises ValueError for runs without a finite value (it names all of them), for a table without a
    baseline or with a run listed twice, for an alpha outside (0, 1), and for a margin that is not
    positive.
    """
    if margin is not None and not margin > 0:
        raise ValueError(f"the margin must be positive, not {margin}")
    found = pooled(runs)
    odd = found.out_of_line
    # Sorted, so that the order of the table's rows changes no digit.
    names = sorted(set(found.runs["intervention"]) - {BASELINE})
    inside = [name for name in names if name not in odd]
    together = family(found.model, [{name: 1.0} for name in inside], alpha)
    estimate = dict(zip(inside, together.estimates, strict=True))
    counts = found.runs["intervention"].value_counts()
    own = own_intervals(found.runs, len(names), alpha)
    rule = _Rule(alpha, margin, better)
    judged = {
        name: _verdict(name, int(counts[name]), one, own[name], together, rule)
        for name, one in estimate.items()
    }
    for name, ratio in odd.items():
        judged[name] = _out_of_line(name, int(counts[name]), own[name], ratio, rule)
    for name, other in found.same_as.items():
        same = judged.get(other, Verdict(name, effect=0.0, verdict=Call.IDENTICAL))
        judged[name] = replace(same, intervention=name, same_as=other, runs=_count(runs, name))
    order = [str(name) for name in runs["intervention"].unique() if name != BASELINE]
    return Assessment(
        verdicts=tuple(judged[name] for name in order),
        residual_sd=together.sd,
        band=new_run(found.model, alpha),
        residuals=found.model.residuals(),
        evidence=found,
    )


@dataclass(frozen=True)
class _Rule:
    """How intervals become verdicts."""

    alpha: float
    margin: float | None
    better: Better


def _count(runs: pd.DataFrame, name: str) -> int:
    """Number of runs of an intervention whose runs are those of another arm."""
    return int((runs["intervention"] == name).sum())


def _verdict(
    name: str,
    runs: int,
    estimate: Estimate,
    own: Estimate,
    family: Family,
    rule: _Rule,
) -> Verdict:
    seeds_low, seeds_high = _seeds(estimate, family.sd, rule.alpha)
    return Verdict(
        intervention=name,
        runs=runs,
        effect=estimate.value,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        verdict=call(estimate.low, estimate.high, rule.margin, rule.better),
        tipping_ratio=_tipping_ratio(estimate, runs, family.sd),
        own_low=own.low,
        own_high=own.high,
        smallest_visible=estimate.half_width,
        seeds_low=seeds_low,
        seeds_high=seeds_high,
        degrees_of_freedom=family.degrees_of_freedom,
        se=estimate.se,
    )


def _out_of_line(name: str, runs: int, own: Estimate, ratio: float, rule: _Rule) -> Verdict:
    """The verdict on an intervention that does not share the others' variance."""
    return Verdict(
        intervention=name,
        runs=runs,
        effect=own.value,
        low=own.low,
        high=own.high,
        p_value=own.p_value,
        verdict=call(own.low, own.high, rule.margin, rule.better),
        own_low=own.low,
        own_high=own.high,
        scatter_ratio=ratio,
        smallest_visible=own.half_width,
        se=own.se,
    )


def call(
    low: float | None,
    high: float | None,
    margin: float | None = None,
    better: Better = "lower",
) -> Call:
    """The verdict for the interval of a change of a metric; the ends are None without one.

    An interval inside the margin is no difference that matters, even if it excludes zero. No part
    of alpha is needed for that (two one-sided tests; Berger 1982).
    """
    if low is None or high is None:
        return Call.NOT_ENOUGH_RUNS
    if margin is not None and -margin < low and high < margin:
        return Call.NO_DIFFERENCE
    if high < 0 or low > 0:
        return Call.HELPS if (high < 0) == (better == "lower") else Call.HURTS
    return Call.WITHIN_NOISE


def _tipping_ratio(estimate: Estimate, runs: int, sd: float | None) -> float | None:
    """The r that solves |effect| = c s sqrt(r^2 / n + v), if the interval excludes zero.

    n is the number of the arm's runs, s the SD that all share, c the critical value, and v the
    variance of the rest of the contrast over s^2.
    """
    if not estimate.half_width or not estimate.se or estimate.value is None or not sd:
        return None
    if abs(estimate.value) <= estimate.half_width:
        return None
    critical = estimate.half_width / estimate.se
    rest = (estimate.se / sd) ** 2 - 1.0 / runs
    square = runs * ((estimate.value / (critical * sd)) ** 2 - rest)
    return float(square**0.5)


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
