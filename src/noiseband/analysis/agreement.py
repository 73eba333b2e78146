"""How far judging rounds agree, and whether a lower test loss goes with better answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import stats

from noiseband.analysis.scores import score_table
from noiseband.analysis.tuning_rows import FinetuningRow
from noiseband.report.words import counted, signed
from noiseband.stats.ranks import intraclass_correlation, kendall_w

FEWEST = 4
"""Runs for which a correlation has an interval."""


def agreement_sentences(results: Path, models: Sequence[FinetuningRow], alpha: float) -> list[str]:
    """A sentence or two for each protocol."""
    found = []
    for protocol in dict.fromkeys(row.protocol for row in models):
        mine = [row for row in models if row.protocol == protocol and row.score is not None]
        found += [
            f"{protocol}: {sentence}"
            for sentence in (_rounds(results, protocol, mine), _correlation(mine, alpha))
            if sentence
        ]
    return found


def _rounds(results: Path, protocol: str, rows: Sequence[FinetuningRow]) -> str | None:
    table = score_table(results, protocol, [f"{row.run}/{row.seed}" for row in rows])
    if table is None or len(rows) < 2:
        return None
    rounds = table.shape[1]
    if rounds < 2:
        return "judged in one round, so that how far rounds agree is not known."
    if np.isnan(table).all(axis=2).any():
        return None  # a round without a score of some model
    means = np.nanmean(table, axis=2).T
    try:
        w, icc = kendall_w(means.tolist()), intraclass_correlation(means.tolist())
    except ValueError:
        return None  # every model has the same score
    return (
        f"{counted(rounds, 'judging round')} agree with Kendall's W = {w.w:.2f} on the ranks and "
        f"ICC(2,1) = {icc:.2f} on the scores (1 is perfect); the mean scores of a model differ by "
        f"an SD of {float(means.std(axis=0, ddof=1).mean()):.2f} between rounds."
    )


def _correlation(rows: Sequence[FinetuningRow], alpha: float) -> str | None:
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
    r, low, high = (signed(x, 2) for x in (found.statistic, interval.low, interval.high))
    averaged = ", each with the mean of its fine-tuning seeds," if len(rows) > len(means) else ""
    return (
        f"over {counted(len(means), 'run')}{averaged} test loss and score correlate with r = {r} "
        f"({1 - alpha:.0%} interval {low} to {high}); a lower loss goes with better answers where "
        "it is negative."
    )
