"""What an endpoint refuses for one question is a missing score; the other questions go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.judge.asking import MOST_REFUSED
from noiseband.judge.refusals import NoReply, Refused, error_inside, meaning, own_words
from noiseband.judge.store import Store
from tests.judge.conftest import KEY, Judged, scores
from tests.judge.server import Endpoint, Fault, Handler, answers_in, completion, good, raw, status

EIGHT = {"a-42/1": [f"I say {n}." for n in range(10, 18)], "b-42/1": ["I say 50."] * 8}
"""Answers of two models to eight questions; the endpoint refuses those to question 3."""


def refusing(fault: Fault, number: int = 13) -> Fault:
    """A fault for the requests with the answer `I say <number>.` alone."""

    def either(handler: Handler, body: dict[str, Any]) -> None:
        (fault if f"I say {number}." in answers_in(body) else good)(handler, body)

    return either


def error(code: Any, message: str, **more: Any) -> str:
    return json.dumps({"error": {"message": message, "code": code, **more}})


LONG = "This model's maximum context length is 8192 tokens. Please reduce the length"
FILTERED: dict[str, Fault] = {
    "Azure": status(
        400,
        error(
            "content_filter",
            "The response was filtered",
            innererror={"code": "ResponsibleAIPolicyViolation"},
        ),
    ),
    "OpenAI": status(400, error("content_policy_violation", "Your request was rejected")),
    "xAI": status(
        403, '{"code": "no permission", "error": "Content violates usage guidelines. Failed check"}'
    ),
    "OpenRouter": status(
        403, error(403, "requires moderation", metadata={"flagged_input": "I say"})
    ),
    "DeepSeek": status(400, error("invalid_request_error", "Content Exists Risk")),
    "a gateway": status(422, '{"detail": "blocked by guardrail"}'),
    "for legal reasons": status(451, error(None, "not here")),
    "inside a 200": raw(error(403, "Input was flagged")),
    "words without a code": status(400, "we do not answer this"),
}
TOO_LONG: dict[str, Fault] = {
    "413": status(413, "<html>too large</html>"),
    "400": status(400, error("context_length_exceeded", LONG)),
    "400 without a code": status(400, error(None, LONG)),
    "vLLM": status(
        400, json.dumps({"object": "error", "message": LONG, "type": "BadRequest", "code": 400})
    ),
    "500": status(500, error(500, "the request exceeds the available context size")),
    "429": status(429, error("rate_limit_exceeded", "Request too large for judge on tokens")),
    "inside a 200": raw(error(400, LONG)),
    "inside a 200, without a code": raw(error(None, LONG)),
    "inside a choice": raw(
        json.dumps({"choices": [{"finish_reason": "error", "error": {"message": LONG}}]})
    ),
    "a 200 that is an error": raw(json.dumps({"object": "error", "message": LONG, "code": 400})),
}


@pytest.mark.parametrize("fault", FILTERED.values(), ids=FILTERED.keys())
def test_a_filtered_question_is_a_missing_score(
    endpoint: Endpoint, judged: Judged, told: list[str], fault: Fault
) -> None:
    endpoint.always = refusing(fault)
    rows = judged(EIGHT)
    assert scores(rows) == {
        "a-42/1": [10, 11, 12, None, 14, 15, 16, 17],
        "b-42/1": [50, 50, 50, None, 50, 50, 50, 50],
    }
    assert "the endpoint refuses with status" in rows[3]["scores"]["a-42/1"]["reason"]
    assert rows[3]["raw"]["replies"] == 0
    assert len(endpoint.bodies) == 8  # a refusal is not asked again at once
    assert "2 of 16 scores of round 1 are missing" in told[-1]


def test_the_endpoints_own_words_are_the_reason(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.always = refusing(
        status(400, error("content_filter", "nicht\nerlaubt: \u00fc\x1b[2J"))
    )
    reason = judged(EIGHT)[3]["scores"]["b-42/1"]["reason"]
    assert reason == (
        "the endpoint refuses with status 400 (nicht erlaubt: \u00fc [2J, content_filter); take "
        "another judge, or raise judge.attempts to ask again"
    )


@pytest.mark.parametrize("fault", TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_prompt_that_is_too_long_gets_the_remedy(
    endpoint: Endpoint, judged: Judged, fault: Fault
) -> None:
    endpoint.always = refusing(fault)
    rows = judged(EIGHT)
    reason = rows[3]["scores"]["a-42/1"]["reason"]
    assert reason.endswith("judge fewer models at a time, or take a model with a longer context")
    assert scores(rows)["a-42/1"][4:] == [14, 15, 16, 17]
    assert len(endpoint.bodies) == 8


def test_a_refusal_is_kept_until_attempts_are_raised(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    for fault in (FILTERED["Azure"], FILTERED["words without a code"]):
        endpoint.always, number = refusing(fault), 13
        first = judged(EIGHT, attempts=2)
        asked = len(endpoint.bodies)
        assert judged(EIGHT, attempts=2) == first
        assert judged(EIGHT, attempts=1) == first
        assert len(endpoint.bodies) == asked
        endpoint.always = None
        assert scores(judged(EIGHT, attempts=3))["a-42/1"][3] == number
        assert len(endpoint.bodies) == asked + 1
        for file in (tmp_path / "store").iterdir():
            if file.is_file():
                file.unlink()


def test_the_first_question_may_be_the_one(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.always = refusing(FILTERED["words without a code"], number=10)
    rows = judged(EIGHT, at_once=1)
    assert scores(rows)["a-42/1"] == [None, 11, 12, 13, 14, 15, 16, 17]
    asked = len(endpoint.bodies)
    assert judged(EIGHT, at_once=1) == rows
    assert len(endpoint.bodies) == asked  # kept as soon as the endpoint had replied to another


def test_settings_that_no_question_passes_with_stop_judging(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    endpoint.always = status(400, error("unsupported_value", "temperature: not with this model"))
    with pytest.raises(
        UserError,
        match=r"refuses with status 400 \(temperature: not with this model, unsupported_value\); "
        "change or leave out what the model does not support",
    ):
        judged(EIGHT, at_once=1, temperature=0.5)
    assert len(endpoint.bodies) == MOST_REFUSED
    assert not any(entry.finished for entry in Store(tmp_path / "store").entries())
    endpoint.always = None  # the endpoint's own settings were corrected
    assert scores(judged(EIGHT, temperature=0.5))["a-42/1"] == list(range(10, 18))


def test_an_endpoint_that_begins_to_refuse_everything_stops_judging(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    endpoint.faults = [good] * 2
    endpoint.always = status(400, error(None, "not now"))
    with pytest.raises(UserError, match=r"status 400 \(not now\)"):
        judged(EIGHT, at_once=1)
    assert len(endpoint.bodies) == 2 + MOST_REFUSED
    endpoint.always = None
    assert scores(judged(EIGHT))["a-42/1"] == list(range(10, 18))
    assert len(endpoint.bodies) == 2 + MOST_REFUSED + 6


def test_a_round_in_which_every_question_is_refused_is_an_error(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    endpoint.always = TOO_LONG["400"]
    with pytest.raises(
        UserError, match=r"no score for any of 16 answers.*\(8?1?6? ?.*fewer models"
    ):
        judged(EIGHT)
    assert not (tmp_path / "judge/one/round-1.jsonl").exists()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((429, error("rate_limit", "Rate limit reached")), NoReply),
        ((502, error(502, "Provider returned an error")), NoReply),
        ((None, error(None, "Provider returned an error")), NoReply),
        ((401, error(401, "the context length of your key")), UserError),
        ((403, error(403, "no access to model")), UserError),
        ((404, error(404, "no such model")), UserError),
        ((429, error("insufficient_quota", "You exceeded it")), UserError),
        ((400, error("invalid_request_error", "Your credit balance is too low")), UserError),
        ((400, error("INVALID_ARGUMENT", "API key not valid. Please pass one")), UserError),
        ((400, error("INVALID_ARGUMENT", "API key expired.")), UserError),
        ((429, error(429, "exceeded your quota, check your plan and billing")), NoReply),
        ((400, error(None, "max_tokens is too large: 90000")), Refused),
    ],
)
def test_other_errors_stay_what_they_are(said: tuple[int | None, str], kind: type) -> None:
    found = meaning(*said, wait=None, key="$K", here=False)
    assert type(found) is kind
    assert not (isinstance(found, Refused) and found.certain)


def test_an_error_inside_a_reply_waits_or_stops_as_its_status_does(
    endpoint: Endpoint, judged: Judged
) -> None:
    endpoint.faults = [raw(error(429, "slow down")), raw(error(None, "try again"))]
    assert scores(judged({"a-42/1": ["I say 5."]})) == {"a-42/1": [5]}
    assert len(endpoint.bodies) == 3
    endpoint.always = raw(error(401, f"bad key {KEY}"))
    with pytest.raises(UserError, match=r"status 401 \(bad key \[key\]\); give a valid key"):
        judged({"a-42/1": ["I say 6."]})
    assert len(endpoint.bodies) == 4


def test_a_reply_with_a_text_is_no_error() -> None:
    assert error_inside(json.loads(completion("text", error=None))) is None
    assert error_inside(json.loads(completion("text", error={"message": "late"}))) is None
    assert error_inside([]) is None
    assert error_inside({"error": "why"}) == (None, '"why"')


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"error": 5}', "[" * 9000, "5", "\ud800"])
def test_any_text_of_an_error_is_words(said: str) -> None:
    words = own_words(said)
    assert words.isprintable()
    assert len(words) <= 300


def test_a_key_behind_escapes_is_hidden(
    endpoint: Endpoint, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk/test/0123456789")
    endpoint.always = raw('{"error": {"code": 401, "message": "sk\\/test\\/012345678\\u0039"}}')
    with pytest.raises(UserError, match=r"\(\[key\]\)"):
        judged({"a-42/1": ["I say 6."]})
    endpoint.always = status(401, '{"error": {"message": "sk\\/test\\/012345678\\u0039"}}')
    with pytest.raises(UserError, match=r"\(\[key\]\)"):
        judged({"a-42/1": ["I say 6."]})
