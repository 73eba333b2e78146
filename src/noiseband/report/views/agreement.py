"""Sentences on whether judging rounds agree and whether scores follow the test loss."""

from __future__ import annotations

from collections.abc import Sequence

from noiseband.analysis.agreement import Agreement, Correlation
from noiseband.report.words import counted, signed


def agreement_sentences(found: Sequence[Agreement], alpha: float) -> list[str]:
    """One or two sentences for each protocol."""
    return [
        f"{one.protocol}: {sentence}"
        for one in found
        for sentence in (_rounds(one), _correlation(one.correlation, alpha))
        if sentence
    ]


def _rounds(one: Agreement) -> str | None:
    if one.number == 1:
        return "judged in one round, so the agreement between rounds is unknown."
    if one.rounds is None:
        return None
    return (
        f"{counted(one.number, 'judging round')} agree with Kendall's W = {one.rounds.w:.2f} on "
        f"the ranks and ICC(2,1) = {one.rounds.icc:.2f} on the scores (1 is perfect); the mean "
        f"scores of a model differ by an SD of {one.rounds.sd:.2f} between rounds."
    )


def _correlation(found: Correlation | None, alpha: float) -> str | None:
    if found is None:
        return None
    r, low, high = (signed(x, 2) for x in (found.r, found.low, found.high))
    averaged = ", each with the mean of its fine-tuning seeds," if found.averaged else ""
    return (
        f"over {counted(found.runs, 'run')}{averaged} test loss and score correlate with r = {r} "
        f"({1 - alpha:.0%} interval {low} to {high}); a negative r means that a lower loss goes "
        "with better answers."
    )
