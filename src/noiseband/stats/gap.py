"""How much of the gap to a pretrained model is closed?

The share of an intervention is N / D: N, the baseline's mean minus the intervention's, over D, the
baseline's mean minus the pretrained model's loss, which is a constant. Both are linear in the arms'
means. Fieller's interval (1954, Some problems in interval estimation, Journal of the Royal
Statistical Society B 16) has every share r for which a test does not reject N - r D = 0:

    |N - r D| <= c(r) se(r)    se(r)^2 = var N - 2 r cov(N, D) + r^2 var D

It is unbounded, and so there is none, if D itself is not clearly different from zero. Variances and
critical values are those of the study's own model (`levels`). At r = 0 the test is the verdict's.

The correlations of several N - r D depend on the true shares. They are computed from the estimated
ones (Dilba, Bretz and Guiard 2006, Simultaneous confidence sets and confidence intervals for
multiple ratios, Journal of Statistical Planning and Inference 136), and c is at least what it would
be if all shares were 0, as for the verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import optimize

from noiseband.stats.family import weights_of_baseline
from noiseband.stats.least_squares import Floats
from noiseband.stats.levels import Levels, levels
from noiseband.stats.mixed import Mixed
from noiseband.stats.verdicts import Assessment, Call, Verdict


class NoInterval(StrEnum):
    """Why a share has no interval."""

    UNCLEAR_GAP = "the gap is not clearly different from zero"
    NOT_ENOUGH_RUNS = "not enough runs"
    OUT_OF_LINE = "its runs scatter out of line"
    IDENTICAL = "identical to the baseline"


@dataclass(frozen=True)
class Share:
    """The share of the gap that one intervention closes."""

    intervention: str
    baseline: float
    """Nats: the estimated mean of the baseline, from which the gap is measured."""
    share: float
    low: float | None = None
    """Lower end of the interval. The intervals hold for all interventions at once."""
    high: float | None = None
    no_interval: NoInterval | None = None
    """Why there is no interval; None if there is one."""


def gap_closed(baseline: float, run: float, reference: float) -> float:
    """(baseline - run) / (baseline - reference), from three losses in nats.

    0 is the baseline and 1 the reference; above 1 the run is better than the reference, below 0 it
    is worse than the baseline. Raises ValueError unless the losses are finite and the reference is
    better than the baseline; otherwise there is no gap to close.
    """
    if not all(math.isfinite(loss) for loss in (baseline, run, reference)):
        raise ValueError(f"losses must be finite: {baseline}, {run}, {reference}")
    if reference >= baseline:
        raise ValueError(f"reference {reference} is not better than baseline {baseline}")
    return (baseline - run) / (baseline - reference)


def shares(study: Assessment, reference: float, alpha: float = 0.05) -> list[Share]:
    """The share of each intervention with an effect, in the order of the verdicts.

    `reference` is the loss of the pretrained model in nats, and `alpha` that of the verdicts. The
    list is empty if the model is no better than the baseline's estimated mean.
    """
    model = study.evidence.model
    baseline = float(model.value(weights_of_baseline(model))[0])
    if not reference < baseline:
        return []
    judged = {one.intervention: one for one in study.verdicts}
    critical = _critical([judged[name] for name in model.arms[1:]])
    ends = {} if critical is None else intervals(model, critical, reference, alpha)
    return [
        _share(one, one.effect, baseline, reference, ends.get(one.same_as or one.intervention))
        for one in study.verdicts
        if one.effect is not None
    ]


def _share(
    verdict: Verdict,
    effect: float,
    baseline: float,
    reference: float,
    ends: tuple[float, float] | None,
) -> Share:
    share = gap_closed(baseline, baseline + effect, reference)
    if ends is not None:
        return Share(verdict.intervention, baseline, share, *ends)
    if verdict.verdict == Call.IDENTICAL:
        reason = NoInterval.IDENTICAL
    elif verdict.scatter_ratio is not None:
        reason = NoInterval.OUT_OF_LINE
    elif verdict.low is None:
        reason = NoInterval.NOT_ENOUGH_RUNS
    else:
        reason = NoInterval.UNCLEAR_GAP
    return Share(verdict.intervention, baseline, share, no_interval=reason)


def _critical(verdicts: Sequence[Verdict]) -> float | None:
    """The critical value of verdicts that share a variance; None if they have no intervals."""
    found = [one.smallest_visible / one.se for one in verdicts if one.smallest_visible and one.se]
    return max(found) if found and len(found) == len(verdicts) else None


def intervals(
    model: Mixed, critical: float, reference: float, alpha: float
) -> dict[str, tuple[float, float] | None]:
    """Fieller's interval for each intervention of the model; None if it is unbounded.

    `critical` is the critical value of the verdicts, and the others are as for `shares`.
    """
    arms = len(model.arms)
    means = model.value(np.eye(arms))
    closed, gap = means[0] - means[1:], float(means[0]) - reference
    effects = np.array([_weights(arms, i, 0.0) for i in range(1, arms)])
    estimated = effects - np.outer(closed / gap, np.eye(1, arms))
    noise = levels(model, effects, estimated, alpha, critical)
    return {
        name: fieller(float(closed[i - 1]), gap, i, noise)
        for i, name in enumerate(model.arms[1:], 1)
    }


def fieller(closed: float, gap: float, arm: int, noise: Levels) -> tuple[float, float] | None:
    """The interval for `closed` / `gap`, or None if it is unbounded.

    Args:
        closed: the estimated mean of the baseline minus that of the arm.
        gap: the estimated mean of the baseline minus a constant; positive.
        arm: the arm's number in the study, from 1.
        noise: that of the arms' means.
    """

    def excess(angle: float) -> float:
        """Whether the share tan(angle) is rejected; at a right angle, whether the gap is clear."""
        weights = _weights(len(noise.covariance), arm, angle)
        return noise.differs(closed * math.cos(angle) - gap * math.sin(angle), weights)

    if excess(math.pi / 2) <= 0:
        return None
    middle = math.atan(closed / gap)
    low, high = (
        optimize.brentq(excess, middle, end, xtol=1e-15) for end in (-math.pi / 2, math.pi / 2)
    )
    return math.tan(low), math.tan(high)


def _weights(arms: int, arm: int, angle: float) -> Floats:
    """Weights on the arms' means, (p,), of (baseline - arm) cos(angle) - baseline sin(angle)."""
    found = np.zeros(arms)
    found[0] = math.cos(angle) - math.sin(angle)
    found[arm] = -math.cos(angle)
    return found
