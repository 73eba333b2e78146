"""chrF agrees with scores by hand and by sacrebleu's own function, and reasons count numbers."""

from __future__ import annotations

import pytest
import sacrebleu

from noiseband.judge.chrf import ChrfJudge, number_agreement
from noiseband.judge.interface import Question


def scores(reference: str, *answers: str, numbers: bool = False) -> list[float | None]:
    reply = ChrfJudge(numbers).judge(Question("Ask", "", reference), answers)
    return [score.score for score in reply.scores]


def test_the_ends_of_the_scale() -> None:
    found = scores("The capital is Apia.", "The capital is Apia.", "xxxxx", "")
    assert found == [pytest.approx(100.0), 0.0, 0.0]


def test_a_score_by_hand() -> None:
    # chrF2 of `abd` for `abc`: 2 of 3 1-grams match, 1 of 2 2-grams and 0 of 1 3-grams; there are
    # no longer ones. Precision and recall are equal, so F equals both: (2/3 + 1/2 + 0) / 3.
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
    reply = ChrfJudge(numbers=False).judge(question, ["It had 751 people.", "Many."])
    assert reply.scores[0].reason.endswith("; 1 of 2 numbers")
    assert reply.scores[0].reason.startswith(f"chrF {reply.scores[0].score:.1f}")
    assert reply.raw["chrf"] == [score.score for score in reply.scores]
    assert "version:" in reply.raw["metric"]
    wordy = ChrfJudge(numbers=True).judge(Question("Ask", "", "Many."), ["Many."])
    assert wordy.scores[0].reason == "chrF 100.0"


@pytest.mark.parametrize(
    ("answer", "dice"),
    [
        ("It had 751 people in 2021.", 1.0),
        ("It had 751 people.", 2 / 3),
        ("It had 752 people in 2020.", 0.0),
        ("751, 752, 753, 2020, 2021 or so.", 2 * 2 / (2 + 5)),
        ("Many.", 0.0),
    ],
)
def test_numbers_are_half_of_the_score_where_the_reference_has_some(
    answer: str, dice: float
) -> None:
    reference = "It had 751 people in 2021."
    (chrf,) = scores(reference, answer)
    assert chrf is not None
    assert scores(reference, answer, numbers=True) == [pytest.approx((chrf + 100 * dice) / 2)]


def test_a_wrong_number_costs_more_than_other_words() -> None:
    reference = "The area is 751 square kilometres."
    wrong, worded = "The area is 715 square kilometres.", "It covers 751 square kilometres."
    by_chrf, with_numbers = (
        scores(reference, wrong, worded, numbers=numbers) for numbers in (False, True)
    )
    assert by_chrf[0] > by_chrf[1]  # type: ignore[operator]
    assert with_numbers[0] < with_numbers[1]  # type: ignore[operator]


def test_without_numbers_it_is_chrf() -> None:
    assert scores("Many.", "Few of 12.", numbers=True) == scores("Many.", "Few of 12.")
