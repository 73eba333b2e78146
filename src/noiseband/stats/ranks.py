"""Ranks with their intervals, and the agreement between judging rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Concordance:
    """Kendall's coefficient of concordance."""

    w: float
    """0 for no agreement, 1 for the same ranking by every judge."""
    statistic: float
    """Friedman's chi-square, m (n - 1) W."""
    p_value: float
    """Probability of a W this large if judges rank at random (chi-square approximation)."""


@dataclass(frozen=True)
class RankInterval:
    """One model's rank among others, with an interval from resampling."""

    rank: str
    """Rank by mean score; `11=` for a tie."""
    low: int
    """Lower end of the interval for the rank: the best rank."""
    high: int
    """Upper end of the interval: the worst rank."""


def places(scores: Sequence[float | None]) -> list[str]:
    """Ranks by score, the highest first; equal scores share the best rank, written `3=`.

    The rank of a missing score is an empty text. Scores are compared to nine decimals, so that the
    order of additions cannot break a tie.
    """
    known = [None if score is None else round(score, 9) for score in scores]
    there = [score for score in known if score is not None]
    return [
        ""
        if score is None
        else f"{1 + sum(other > score for other in there)}{'=' * (there.count(score) > 1)}"
        for score in known
    ]


def kendall_w(scores: Sequence[Sequence[float]]) -> Concordance:
    """Agreement of m judges (or rounds) on n models: Kendall's W, corrected for ties.

    W = 12 S / (m^2 (n^3 - n) - m T), with S the squared deviations of the models' rank sums and T
    the sum of t^3 - t over groups of t ties (Kendall and Babington Smith 1939; Siegel and
    Castellan 1988, 9.3).

    Args:
        scores: shape (m, n), at least 2 by 2.

    Raises:
        ValueError: too few judges or models, or every judge gave all models one score.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"Kendall's W needs two judges and two models, not {table.shape}")
    judges, models = table.shape
    ranks = stats.rankdata(table, axis=1)
    deviation = ranks.sum(axis=0) - judges * (models + 1) / 2
    ties = sum(float((t**3 - t).sum()) for row in ranks for t in [_group_sizes(row)])
    below = judges**2 * (models**3 - models) - judges * ties
    if below == 0:
        raise ValueError("Kendall's W: every judge gave all models the same score")
    w = 12 * float(deviation @ deviation) / below
    statistic = judges * (models - 1) * w
    return Concordance(w, statistic, float(stats.chi2.sf(statistic, models - 1)))


def _group_sizes(ranks: Floats) -> npt.NDArray[np.int64]:
    return np.unique(ranks, return_counts=True)[1]


def intraclass_correlation(scores: Sequence[Sequence[float]]) -> float:
    """ICC(2,1): agreement of single rounds on the models' scores, not only on their ranks.

    Two-way random effects, absolute agreement, single rater (Shrout and Fleiss 1979): 1 if all
    rounds give each model the same score, 0 if the model explains none of the variance.

    Args:
        scores: shape (rounds, models), at least 2 by 2.

    Raises:
        ValueError: too few rounds or models, or no two scores differ.
    """
    table = np.asarray(scores, dtype=np.float64).T
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"an ICC needs two rounds and two models, not {table.T.shape}")
    models, rounds = table.shape
    mean = table.mean()
    of_models = table.mean(axis=1) - mean
    of_rounds = table.mean(axis=0) - mean
    rest = table - mean - of_models[:, None] - of_rounds
    between = rounds * float(of_models @ of_models) / (models - 1)
    raters = models * float(of_rounds @ of_rounds) / (rounds - 1)
    error = float((rest**2).sum()) / ((models - 1) * (rounds - 1))
    below = between + (rounds - 1) * error + rounds * (raters - error) / models
    if below == 0:
        raise ValueError("an ICC needs scores that differ")
    return float((between - error) / below)


def rank_intervals(
    scores: Floats, alpha: float = 0.05, draws: int = 2000, seed: int = 42
) -> list[RankInterval]:
    """Ranks by mean score, with percentile intervals from resampling.

    Fine-tuning seeds, judging rounds and questions are all samples, so all three are resampled with
    replacement, in the same way for all runs (Efron and Tibshirani 1993, chapter 8). If there is
    only one seed, round or question, its noise is not in the interval.

    Args:
        scores: shape (runs, fine-tuning seeds, rounds, questions); NaN for a missing score, which
            is left out.
        alpha: intervals are at level 1 - alpha.
        draws: number of resamples.
        seed: seed of the resampling.

    Raises:
        ValueError: a run has no score at all.
    """
    if np.isnan(scores).all(axis=(1, 2, 3)).any():
        raise ValueError("rank intervals: a run has no score")
    rng = np.random.default_rng(seed)
    found = np.empty((draws, len(scores)))
    for draw in range(draws):
        chosen = scores
        for axis in (1, 2, 3):
            size = scores.shape[axis]
            chosen = np.take(chosen, rng.integers(size, size=size), axis)
        means = _means(chosen)
        # A run with no scores in this draw is last in it.
        found[draw] = stats.rankdata(-np.nan_to_num(means, nan=-np.inf), method="min")
    low = np.quantile(found, alpha / 2, axis=0, method="inverted_cdf")
    high = np.quantile(found, 1 - alpha / 2, axis=0, method="inverted_cdf")
    ranked = places(_means(scores).tolist())
    return [
        RankInterval(rank, int(one), int(other))
        for rank, one, other in zip(ranked, low, high, strict=True)
    ]


def _means(scores: Floats) -> Floats:
    """Means of the existing scores over all other axes, shape (runs,); NaN if there are none."""
    there, axes = ~np.isnan(scores), (1, 2, 3)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(there, scores, 0.0).sum(axis=axes) / there.sum(axis=axes)
    return means
