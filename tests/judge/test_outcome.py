"""Missing scores and a scale that nobody used are said; a round without any score is an error."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.judge.outcome import check_scores
from tests.judge.conftest import Judged, scores
from tests.judge.server import Endpoint, says, text


def rows(*given: float | None) -> list[dict[str, Any]]:
    return [{"scores": {"a/1": {"score": score, "reason": "why"}}} for score in given]


def test_good_rounds_are_not_talked_about() -> None:
    assert check_scores(rows(3, 70, 11, 40, 1, 0, 9, 10), 1) == []
    assert check_scores(rows(0, 1, 0, 1), 1) == []  # too few to say anything about the scale
    assert check_scores(rows(*[0] * 20), 1) == []  # all wrong, on any scale
    assert check_scores([], 1) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([0, 1] * 4, "no score of round 2 is above 1, .* a scale of 0 to 1,"),
        ([0, 1, 2, 3] * 2, "no score of round 2 is above 3, .* a scale of 0 to 5,"),
        ([0, 7, 8, 9] * 2, "no score of round 2 is above 9, .* a scale of 0 to 10,"),
        ([50] * 8, "all 8 scores of round 2 are 50; this judge does not tell answers apart"),
        ([1] * 8, "all 8 scores of round 2 are 1; this judge does not tell answers apart"),
        ([30, 70, None, None], r"2 of 4 scores of round 2 are missing; .*\(2 times\): why$"),
    ],
)
def test_what_is_odd_is_said(given: list[float | None], sentence: str) -> None:
    (said,) = check_scores(rows(*given), 2)
    assert re.search(sentence, said), said


def test_a_judge_on_another_scale_is_pointed_out(
    endpoint: Endpoint, judged: Judged, told: list[str]
) -> None:
    endpoint.always = says(
        lambda v: json.dumps(
            {k: {"reason": "r", "score": one["score"] % 2} for k, one in v.items()}
        )
    )
    judged()
    (said,) = told
    assert "no score of round 1 is above 1, although the scale is 0 to 100" in said


def test_a_fraction_is_no_score(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.always = says(
        lambda v: json.dumps({k: {"reason": "r", "score": 0.5} for k, one in v.items()})
    )
    with pytest.raises(UserError, match=r"12 answers.*model_1: score 0.5 is not a whole number"):
        judged(attempts=2)


def test_a_round_without_a_score_is_an_error_until_it_has_one(
    endpoint: Endpoint, judged: Judged, tmp_path: Any
) -> None:
    endpoint.always = text("They are all fine.")
    with pytest.raises(
        UserError,
        match=r"judge: round 1 has no score for any of 12 answers; the most frequent reason \(12 "
        r"times\): no usable reply in 2: no JSON object; raise judge.attempts to ask again",
    ):
        judged(attempts=2)
    assert len(endpoint.bodies) == 8
    assert not (tmp_path / "judge/one/round-1.jsonl").exists()
    with pytest.raises(UserError, match="no JSON object"):
        judged(attempts=2)
    assert len(endpoint.bodies) == 8  # the replies were kept
    endpoint.always = None
    rows = judged(attempts=3)
    assert len(endpoint.bodies) == 12  # one more attempt for each question
    assert scores(rows)["a-42/1"] == [10, 11, 12, 13]
    assert [row["raw"]["replies"] for row in rows] == [3, 3, 3, 3]
    assert judged(attempts=2) == rows
    assert len(endpoint.bodies) == 12
