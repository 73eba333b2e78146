"""chrF against answers scored by hand and by sacrebleu's own function, and numbers in reasons."""

from __future__ import annotations

import pytest
import sacrebleu

from noiseband.judge.interface import Question
from noiseband.judge.reference import ReferenceJudge, number_agreement


def scores(reference: str, *answers: str) -> list[float | None]:
    reply = ReferenceJudge().judge(Question("Ask", "", reference), answers)
    return [score.score for score in reply.scores]


def test_the_ends_of_the_scale() -> None:
    found = scores("The capital is Apia.", "The capital is Apia.", "xxxxx", "")
    assert found == [pytest.approx(100.0), 0.0, 0.0]


def test_a_score_by_hand() -> None:
    # chrF2 of `abd` for `abc`. 1-grams: 2 of 3 match; 2-grams: 1 of 2; 3-grams: 0 of 1; longer
    # ones do not exist. Precision and recall are equal, so F is either: (2/3 + 1/2 + 0) / 3.
    assert scores("abc", "abd") == [pytest.approx(100 * (2 / 3 + 1 / 2) / 3)]


def test_it_is_sacrebleus_score() -> None:
    reference, answer = "Dominica covers 751 square kilometres.", "It covers 715 kilometres."
    assert scores(reference, answer) == [sacrebleu.sentence_chrf(answer, [reference]).score]


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("about 2,780,400 people", "2780400", (1, 1)),
        ("751 in 2021", "751, or 752", (1, 2)),
        ("751 and 751", "751", (1, 1)),
        ("751", "7510", (0, 1)),
        ("1.5 million", "1.50 million", (0, 1)),
        ("in 1960, 12,5 and 3.", "1960 3", (2, 4)),
        ("no numbers", "12", (0, 0)),
    ],
)
def test_number_agreement(reference: str, answer: str, expected: tuple[int, int]) -> None:
    assert number_agreement(answer, reference) == expected


def test_reasons_and_the_raw_reply() -> None:
    question = Question("Ask", "", "It had 751 people in 2021.")
    reply = ReferenceJudge().judge(question, ["It had 751 people.", "Many."])
    assert reply.scores[0].reason.endswith("; 1 of 2 numbers")
    assert reply.scores[0].reason.startswith(f"chrF {reply.scores[0].score:.1f}")
    assert reply.raw["chrf"] == [score.score for score in reply.scores]
    assert "version:" in reply.raw["metric"]
    wordy = ReferenceJudge().judge(Question("Ask", "", "Many."), ["Many."])
    assert wordy.scores[0].reason == "chrF 100.0"
