"""Compare the mean of each arm with a fixed number."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

from noiseband.errors import UserError
from noiseband.referee.judgement import comparisons_of, margin_of, some
from noiseband.referee.measurements import SEEDS, Measurements
from noiseband.stats.verdicts import Better


class TargetCall(StrEnum):
    """The possible answers about a target."""

    BETTER = "better than the target"
    WORSE = "worse than the target"
    NO_DIFFERENCE = "no difference that matters"
    WITHIN_NOISE = "within noise"
    NOT_ENOUGH_RUNS = "not enough runs"


@dataclass(frozen=True)
class TargetVerdict:
    """One arm's mean compared with a target."""

    metric: str
    arm: str
    runs: int
    """Number of distinct runs with a value."""
    mean: float | None
    effect: float | None
    """The mean minus the target."""
    low: float | None
    high: float | None
    p_value: float | None
    """Two-sided, of a one-sample t-test, adjusted for all arms."""
    sd: float | None
    verdict: TargetCall
    runs_without_value: tuple[str, ...] = ()


@dataclass(frozen=True)
class TargetVerdicts:
    """All arms compared with one target."""

    metric: str
    better: Better
    target: float
    alpha: float
    comparisons: int
    margin: float | None
    verdicts: tuple[TargetVerdict, ...]
    notes: tuple[str, ...] = ()


def compare(
    measured: Measurements,
    metric: str,
    better: Better,
    target: float,
    alpha: float = 0.05,
    margin: str | float | None = None,
    comparisons: int | None = None,
) -> TargetVerdicts:
    """Compare the mean of each arm with a target, by a t-test from the arm's own runs.

    All intervals hold together (Sidak's correction for the arms, or for `comparisons` if more were
    made). Rows that repeat a run count once. With a single run, or with runs that do not scatter,
    there are not enough runs.

    Raises UserError for an argument out of range, and if an arm shares a seed between runs whose
    other seeds differ: they are not independent, so their scatter says too little about the mean.
    """
    arms, limit = measured.arms, margin_of(margin, target)
    shared = comparisons_of(comparisons, len(arms))
    level = 1.0 - (1.0 - alpha) ** (1.0 / shared)
    found = []
    notes = []
    for arm in arms:
        runs = measured.runs[measured.runs["arm"] == arm]
        values = runs[metric].to_numpy(np.float64)
        lost = tuple(runs["run"][~np.isfinite(values)])
        kept = runs[np.isfinite(values)]
        keys = [metric, *SEEDS] if kept["identity"].isna().all() else ["identity"]
        # Runs without seeds share none, so equal values are no repetition.
        repeated = kept.duplicated(keys) & (
            kept[[*SEEDS]].notna().all(axis=1) | (keys[0] != metric)
        )
        if repeated.any():
            notes.append(f"{int(repeated.sum())} rows of {arm} repeat a run and count once")
        kept = kept[~repeated]
        if lost:
            notes.append(f"no finite {metric} in {some(lost)} of {arm}, so it cannot be better")
        for column in SEEDS:
            if kept[column].notna().any() and kept[column].dropna().duplicated().any():
                raise UserError(
                    f"--target: runs of {arm} have the same {column}, so they are not independent; "
                    "give one run for each seed"
                )
        found.append(
            _verdict(
                metric,
                arm,
                kept[metric].to_numpy(np.float64),
                better,
                target,
                (level, shared, limit),
                lost,
            )
        )
    return TargetVerdicts(metric, better, target, alpha, shared, limit, tuple(found), tuple(notes))


def _verdict(
    metric: str,
    arm: str,
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
    better: Better,
    target: float,
    options: tuple[float, int, float | None],
    lost: tuple[str, ...],
) -> TargetVerdict:
    level, comparisons, margin = options
    ordered = np.sort(values)
    n = len(ordered)
    mean = float(ordered.mean()) if n else None
    effect = None if mean is None else mean - target
    sd = float(ordered.std(ddof=1)) if n > 1 else None
    if mean is None or effect is None or not sd or sd <= 1e-12 * float(np.abs(ordered).max()):
        call = TargetCall.NOT_ENOUGH_RUNS
        return TargetVerdict(metric, arm, n, mean, effect, None, None, None, sd, call, lost)
    error = sd / n**0.5
    half = float(stats.t.isf(level / 2, n - 1)) * error
    single = 2.0 * float(stats.t.sf(abs(effect) / error, n - 1))
    p_value = 1.0 - (1.0 - single) ** comparisons
    low, high = effect - half, effect + half
    call = _call(low, high, better, margin)
    if lost and call == TargetCall.BETTER:
        call = TargetCall.NOT_ENOUGH_RUNS
    return TargetVerdict(metric, arm, n, mean, effect, low, high, p_value, sd, call, lost)


def _call(low: float, high: float, better: Better, margin: float | None) -> TargetCall:
    if margin is not None and -margin < low and high < margin:
        return TargetCall.NO_DIFFERENCE
    if low <= 0 <= high:
        return TargetCall.WITHIN_NOISE
    below = high < 0
    return TargetCall.BETTER if below == (better == "lower") else TargetCall.WORSE
