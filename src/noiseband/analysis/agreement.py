"""How far judging rounds agree, and whether a lower test loss goes with better answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from noiseband.analysis.scores import score_table
from noiseband.analysis.tuning_rows import FinetuningRow
from noiseband.stats.ranks import intraclass_correlation, kendall_w

FEWEST = 4
"""Runs for which a correlation has an interval."""


@dataclass(frozen=True)
class Rounds:
    """How far a protocol's judging rounds agree on its models."""

    w: float
    """Kendall's, on the ranks: 1 is perfect."""
    icc: float
    """ICC(2,1), on the scores: 1 is perfect."""
    sd: float
    """Of a model's mean score between rounds, averaged over models."""


@dataclass(frozen=True)
class Correlation:
    """Between test loss and score, over runs: Pearson's, with its interval."""

    r: float
    low: float
    high: float
    runs: int
    averaged: bool
    """Whether some run's score is the mean over several fine-tuning seeds."""


@dataclass(frozen=True)
class Agreement:
    """Of one protocol. What its scores cannot tell is None."""

    protocol: str
    number: int
    """Judging rounds of two models or more; 0 without any."""
    rounds: Rounds | None
    correlation: Correlation | None


def agreements(results: Path, models: Sequence[FinetuningRow], alpha: float) -> list[Agreement]:
    """One for each protocol, in the order of the models."""
    found = []
    for protocol in dict.fromkeys(row.protocol for row in models):
        mine = [row for row in models if row.protocol == protocol and row.score is not None]
        number, rounds = _rounds(results, protocol, mine)
        found.append(Agreement(protocol, number, rounds, _correlation(mine, alpha)))
    return found


def _rounds(
    results: Path, protocol: str, rows: Sequence[FinetuningRow]
) -> tuple[int, Rounds | None]:
    table = score_table(results, protocol, [f"{row.run}/{row.seed}" for row in rows])
    if table is None or len(rows) < 2:
        return 0, None
    number = table.shape[1]
    # With one round there is nothing to compare; nor is there where one lacks a model's scores.
    if number < 2 or np.isnan(table).all(axis=2).any():
        return number, None
    means = np.nanmean(table, axis=2).T
    try:
        w, icc = kendall_w(means.tolist()).w, intraclass_correlation(means.tolist())
    except ValueError:
        return number, None  # every model has the same score
    return number, Rounds(w, icc, float(means.std(axis=0, ddof=1).mean()))


def _correlation(rows: Sequence[FinetuningRow], alpha: float) -> Correlation | None:
    """Over runs, not fine-tuned models: those of one run share its loss and are no new evidence."""
    scores: dict[str, list[float]] = {}
    losses: dict[str, float] = {}
    for row in rows:
        if row.test_loss is not None and row.score is not None:
            scores.setdefault(row.run, []).append(row.score)
            losses[row.run] = row.test_loss
    means = [float(np.mean(of_run)) for of_run in scores.values()]
    if len(set(losses.values())) < FEWEST or len(set(means)) < 2:
        return None
    found = stats.pearsonr(list(losses.values()), means)
    interval = found.confidence_interval(1 - alpha)
    return Correlation(
        r=float(found.statistic),
        low=float(interval.low),
        high=float(interval.high),
        runs=len(means),
        averaged=len(rows) > len(means),
    )
