"""The embedded judge: chrF against the reference answer. Deterministic, nothing to download."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sacrebleu.metrics.chrf import CHRF

from noiseband.judge.interface import Question, Reply, Score

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


class ReferenceJudge:
    """Scores an answer by chrF2 (Popović, 2015; sacrebleu's defaults), 0 to 100.

    chrF sees a wrong number as one wrong character or two, so the reason says beside it how many
    of the reference's numbers the answer has. They do not enter the score.
    """

    def __init__(self) -> None:
        self.metric = CHRF()

    def judge(self, question: Question, answers: Sequence[str]) -> Reply:
        scores = [self._score(answer, question.reference) for answer in answers]
        signature = str(self.metric.get_signature())
        return Reply(scores, raw={"metric": signature, "chrf": [s.score for s in scores]})

    def _score(self, answer: str, reference: str) -> Score:
        chrf = float(self.metric.sentence_score(answer, [reference]).score)
        found, expected = number_agreement(answer, reference)
        numbers = f"; {found} of {expected} numbers" if expected else ""
        return Score(chrf, f"chrF {chrf:.1f}{numbers}")


def number_agreement(answer: str, reference: str) -> tuple[int, int]:
    """How many of the reference's different numbers the answer has, and how many there are.

    Numbers are compared as they are written, but for commas between thousands: 1,500 is 1500,
    and 1.50 is not 1.5. A sign does not count.
    """
    expected = _numbers(reference)
    return len(expected & _numbers(answer)), len(expected)


def _numbers(text: str) -> set[str]:
    return {number.replace(",", "") for number in NUMBER.findall(text)}
