"""How well judging rounds agree, and whether a lower test loss goes with better answers."""

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
"""The fewest runs for which a correlation has an interval."""


@dataclass(frozen=True)
class Rounds:
    """How well a protocol's judging rounds agree on its models."""

    w: float
    """Kendall's W on the ranks; 1 is perfect."""
    icc: float
    """ICC(2,1) on the scores; 1 is perfect."""
    sd: float
    """SD of a model's mean score between rounds, averaged over models."""


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlation between test loss and score over runs, with its interval."""

    r: float
    low: float
    high: float
    runs: int
    averaged: bool
    """Whether some run's score is the mean over several fine-tuning seeds."""


@dataclass(frozen=True)
class Agreement:
    """The agreement of one protocol. A field is None if the scores do not determine it."""

    protocol: str
    number: int
    """Number of judging rounds; 0 if fewer than two models have scores."""
    rounds: Rounds | None
    correlation: Correlation | None


def agreements(results: Path, models: Sequence[FinetuningRow], alpha: float) -> list[Agreement]:
    """The agreement of each protocol, in the order of the models."""
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
    # Rounds cannot be compared if there is only one, or if one has no scores for some model.
    if number < 2 or np.isnan(table).all(axis=2).any():
        return number, None
    means = np.nanmean(table, axis=2).T
    try:
        w, icc = kendall_w(means.tolist()).w, intraclass_correlation(means.tolist())
    except ValueError:
        return number, None  # every model has the same score
    return number, Rounds(w, icc, float(means.std(axis=0, ddof=1).mean()))


def _correlation(rows: Sequence[FinetuningRow], alpha: float) -> Correlation | None:
    """Correlate over runs, because fine-tuned models of one run share its loss: no new evidence."""
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
