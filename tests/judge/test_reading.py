"""Any reply of an endpoint gives scores from 0 to 100 or a message, but never a traceback."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseband.errors import UserError
from noiseband.io.files import read_jsonl
from noiseband.judge.endpoint import _wait
from noiseband.judge.interface import Score
from noiseband.judge.ledger import Ledger, usage
from noiseband.judge.reading import Unusable, read_scores
from noiseband.study.judges import Budget
from tests.judge.conftest import Judged, scores
from tests.judge.server import Endpoint, completion, raw, text

TEXT = st.text(st.characters(codec=None), max_size=20)
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([10**400, -0.0, 100.0000001, 99, True, None])
)
LEAVES: st.SearchStrategy[Any] = st.one_of(NUMBERS, TEXT, st.just({}), st.just([]))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
SCORED = st.fixed_dictionaries({"reason": TEXT | VALUES, "score": NUMBERS | VALUES})
VERDICTS = st.fixed_dictionaries({}, optional={f"model_{n}": SCORED | VALUES for n in (1, 2, 3)})


def said(content: Any, **choice: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, **choice}]}


def read(reply: dict[str, Any]) -> list[Score] | None:
    """The scores, after checking them; None for an unusable reply."""
    try:
        found = read_scores(reply, 2)
    except Unusable as error:
        assert "\n" not in str(error)
        assert str(error).isprintable()
        return None
    for score in found:
        assert score.score is not None
        assert 0 <= score.score <= 100
        score.reason.encode()
    return found


@given(st.lists(TEXT | VERDICTS.map(json.dumps), max_size=3).map(" ".join))
def test_any_text_is_scores_or_told(content: str) -> None:
    read(said(content))


@given(st.dictionaries(st.sampled_from(["choices", "message", "content"]) | TEXT, VALUES) | VALUES)
def test_any_json_in_the_place_of_a_completion_is_told(reply: Any) -> None:
    for one in (reply, {"choices": reply}, {"choices": [reply]}, said(reply)):
        if isinstance(one, dict):
            read(one)


@given(
    st.integers(0, 100).map(float) | st.integers(0, 100),
    TEXT,
    TEXT.filter(lambda text: "{" not in text),
)
def test_a_good_verdict_is_read_among_prose(score: float, reason: str, prose: str) -> None:
    one = {"reason": reason, "score": score}
    found = read(said(f"{prose}{json.dumps({'model_1': one, 'model_2': one})}{prose}"))
    assert found is not None
    assert [one.score for one in found] == [score, score]


@pytest.mark.parametrize(
    "score",
    ["NaN", "Infinity", "-Infinity", "1e999", "-1e-300", "100.1", "9" * 5000, '"90"', "true",
     "null", "[90]", '{"score": 90}', "0.5", "99.9", "1e-300"],
)  # fmt: skip
def test_what_is_no_score_is_none(score: str) -> None:
    good = '{"reason": "r", "score": 5}'
    assert (
        read(said(f'{{"model_1": {{"reason": "r", "score": {score}}}, "model_2": {good}}}')) is None
    )


@pytest.mark.parametrize(
    "content",
    ["{" * 99_999, '{"a":' * 19_000, '{"a":[' * 900 + "1," * 40_000, "[" * 99_999, '{"x' * 30_000,
     "\x00" * 1000, "x" * 3_000_000],
    ids=["braces", "objects", "a list", "brackets", "open strings", "zeros", "megabytes"],
)  # fmt: skip
def test_what_is_made_to_be_slow_or_deep_is_told(content: str) -> None:
    assert read(said(content)) is None


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


GOOD = '{"model_1": {"reason": "r", "score": 4}}'
DEEP = [json.dumps({"choices": []})[:-1] + f', "x": {nested(n)}}}' for n in (150, 600, 5000)]


@pytest.mark.parametrize("reply", DEEP, ids=["stored", "written", "read"])
def test_a_completion_that_is_nested_too_deep_is_asked_again(
    endpoint: Endpoint, judged: Judged, reply: str
) -> None:
    endpoint.faults = [raw(reply), text(GOOD)]
    assert scores(judged({"a-42/1": ["I say 4."]})) == {"a-42/1": [4.0]}
    assert len(endpoint.bodies) == 2


ODD_USAGE: list[Any] = [
    {"prompt_tokens": -(10**9), "completion_tokens": -(10**9)},
    {"prompt_tokens": 10**400, "completion_tokens": 1},
    {"prompt_tokens": 1e999, "completion_tokens": math.nan},
    {"prompt_tokens": "5", "completion_tokens": []},
    [],
    "none",
]


@pytest.mark.parametrize("used", ODD_USAGE, ids=range(len(ODD_USAGE)))
def test_usage_that_cannot_be_is_not_counted(endpoint: Endpoint, judged: Judged, used: Any) -> None:
    assert usage({"usage": used}) is None
    endpoint.always = raw(completion(GOOD, usage=used))
    (row,) = judged({"a-42/1": ["I say 4."]})
    assert row["raw"]["usage"] is None
    budget = {"money": 1.0, "input_price": 1.0, "output_price": 1.0}
    with pytest.raises(UserError, match="does not report usage"):
        judged({"a-42/1": ["I say 5."]}, budget=budget)


@given(st.integers(), st.integers())
def test_money_only_grows(prompt: int, completion: int) -> None:
    ledger = Ledger(Budget(input_price=1.0, output_price=2.0), [])
    ledger.charge({"usage": {"prompt_tokens": prompt, "completion_tokens": completion}})
    assert 0 <= ledger.money < math.inf


DATES = st.from_regex(
    r"[A-Z][a-z]{2}, \d\d? [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [-+]?[A-Z0-9]{3,5}"
)


@given(st.text(max_size=12) | NUMBERS.map(str) | DATES, st.none() | st.text(max_size=5))
def test_any_retry_after_is_seconds_or_nothing(after: str, milliseconds: str | None) -> None:
    headers = {"retry-after": after, "retry-after-ms": milliseconds}
    found = _wait(headers)
    assert found is None or found >= 0


def test_a_redirect_to_another_host_goes_without_the_key(
    endpoint: Endpoint, judged: Judged
) -> None:
    from tests.judge.server import running, status

    with running() as other:
        endpoint.always = status(307, location=f"{other.base_url}/chat/completions")
        other.always = text(GOOD)
        judged({"a-42/1": ["I say 4."]})
        assert other.keys == [None]


def test_a_megabyte_of_reasons_is_kept_and_told(
    endpoint: Endpoint, judged: Judged, tmp_path: Any
) -> None:
    endpoint.always = text('{"model_1": {"reason": "' + "é\u202e" * 500_000 + '", "score": 4}}')
    endpoint.faults = [text(GOOD), endpoint.always]
    _, row = judged({"a-42/1": ["I say 4.", "I say 5."]}, attempts=1, at_once=1)
    assert row["scores"]["a-42/1"]["score"] is None
    assert "characters long" in row["scores"]["a-42/1"]["reason"]
    assert read_jsonl(tmp_path / "judge" / "one" / "round-1.jsonl")[1] == row
