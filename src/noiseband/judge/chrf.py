"""The embedded judge: chrF and numbers against the reference answer. Deterministic, no download."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sacrebleu.metrics.chrf import CHRF

from noiseband.judge.interface import Question, Reply, Score

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


class ChrfJudge:
    """Scores an answer by chrF2 (Popović, 2015; sacrebleu's defaults), 0 to 100.

    chrF sees a wrong number as one wrong character or two. With `numbers` a reference answer that
    has numbers therefore gives half of the score for them: the mean of chrF2 and 100 times the
    Dice coefficient (1945) of the two sets of numbers, 2 |both| / (|answer's| + |reference's|), so
    that neither a missing number nor a list of guesses pays. The reason says how many of the
    reference's numbers the answer has, either way.
    """

    at_once = 1
    status = ""

    def __init__(self, numbers: bool) -> None:
        self.metric = CHRF()
        self.numbers = numbers

    def judge(self, question: Question, answers: Sequence[str]) -> Reply:
        chrf = [
            float(self.metric.sentence_score(answer, [question.reference]).score)
            for answer in answers
        ]
        scores = [
            self._score(one, answer, question.reference)
            for one, answer in zip(chrf, answers, strict=True)
        ]
        return Reply(scores, raw={"metric": str(self.metric.get_signature()), "chrf": chrf})

    def halt(self) -> None:
        """Nothing goes on."""

    def _score(self, chrf: float, answer: str, reference: str) -> Score:
        found, expected = number_agreement(answer, reference)
        if not expected:
            return Score(chrf, f"chrF {chrf:.1f}")
        score = chrf
        if self.numbers:
            score = (chrf + 100 * 2 * found / (expected + len(_numbers(answer)))) / 2
        return Score(score, f"chrF {chrf:.1f}; {found} of {expected} numbers")


def number_agreement(answer: str, reference: str) -> tuple[int, int]:
    """How many of the reference's different numbers the answer has, and how many there are.

    Numbers are compared as they are written, but for commas between thousands: 1,500 is 1500,
    and 1.50 is not 1.5. A sign does not count.
    """
    expected = _numbers(reference)
    return len(expected & _numbers(answer)), len(expected)


def _numbers(text: str) -> set[str]:
    return {number.replace(",", "") for number in NUMBER.findall(text)}
