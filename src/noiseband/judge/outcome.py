"""Look at the scores of a whole round: whether there are any, and whether the scale was used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from noiseband.errors import UserError

NO_USABLE = "no usable reply"
"""The first words of the reason if replies came, but none was usable."""

FEW = 8
"""With fewer scores than this, nothing is said about the scale."""

SCALES = (1, 5, 10)
"""Ends of the scales that a judge may use instead of that from 0 to 100."""


def check_scores(rows: Sequence[dict[str, Any]], round: int) -> list[str]:
    """Sentences about what is odd in the scores of a round's rows (see `judge.judge_round`).

    Raises UserError, with the most frequent reason, if no answer has a score.
    """
    given = [score for row in rows for score in row["scores"].values()]
    found = [score["score"] for score in given if score["score"] is not None]
    reasons = Counter(score["reason"] for score in given if score["score"] is None)
    if given and not found:
        reason, times = reasons.most_common(1)[0]
        raise UserError(
            f"judge: round {round} has no score for any of {len(given):,} answers; the most "
            f"frequent reason ({times:,} times): {reason}{_remedy(reason)}"
        )
    return [*_missing(reasons, len(given), round), *_scale(found, round)]


def _missing(reasons: Counter[str], answers: int, round: int) -> list[str]:
    if not reasons:
        return []
    reason, times = reasons.most_common(1)[0]
    return [
        f"judge: {reasons.total():,} of {answers:,} scores of round {round} are missing; the most "
        f"frequent reason ({times:,} times): {reason}{_remedy(reason)}"
    ]


def _remedy(reason: str) -> str:
    """The end of a sentence with a reason. A refusal has its own remedy."""
    if not reason.startswith(NO_USABLE):
        return ""
    return "; raise judge.attempts to ask again, or change the judge"


def _scale(found: Sequence[float], round: int) -> list[str]:
    if len(found) < FEW or not any(found):
        return []
    if len(set(found)) == 1:
        return [
            f"judge: all {len(found):,} scores of round {round} are {found[0]:g}; this judge does "
            "not tell answers apart"
        ]
    for end in SCALES:
        if max(found) <= end:
            return [
                f"judge: no score of round {round} is above {max(found):g}, although the scale is "
                f"0 to 100; if the judge marks on a scale of 0 to {end}, its scores are too low: "
                "read its reasons, and change the judge"
            ]
    return []
