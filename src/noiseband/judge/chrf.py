"""The built-in judge: it compares an answer with the reference answer by chrF and by numbers.

It is deterministic and needs no download.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sacrebleu.metrics.chrf import CHRF

from noiseband.judge.interface import Question, Reply, Score

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


class ChrfJudge:
    """Scores an answer by chrF2 (Popović, 2015; sacrebleu's defaults), 0 to 100.

    chrF counts a wrong number as only one or two wrong characters. With `numbers`, half of the
    score therefore depends on the numbers, if the reference answer has any: the score is the mean
    of chrF2 and 100 times the Dice coefficient (1945) of the two sets of numbers, 2 |both| /
    (|answer's| + |reference answer's|), which penalises missing numbers as well as a list of
    guesses. The reason always says how many of the reference answer's numbers were found.
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
        """Do nothing, because nothing runs in the background."""

    def _score(self, chrf: float, answer: str, reference: str) -> Score:
        found, expected = number_agreement(answer, reference)
        if not expected:
            return Score(chrf, f"chrF {chrf:.1f}")
        score = chrf
        if self.numbers:
            score = (chrf + 100 * 2 * found / (expected + len(_numbers(answer)))) / 2
        return Score(score, f"chrF {chrf:.1f}; {found} of {expected} numbers")


def number_agreement(answer: str, reference: str) -> tuple[int, int]:
    """How many distinct numbers of the reference answer the answer has, and how many there are.

    Numbers are compared as text, without commas between thousands: 1,500 equals 1500, but 1.50
    does not equal 1.5. Signs are ignored.
    """
    expected = _numbers(reference)
    return len(expected & _numbers(answer)), len(expected)


def _numbers(text: str) -> set[str]:
    return {number.replace(",", "") for number in NUMBER.findall(text)}
