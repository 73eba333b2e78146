"""The real `openai` client talks to a real server that misbehaves in every usual way."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.judge import asking
from noiseband.judge.prompt import reply_schema
from tests.judge.conftest import ANSWERS, KEY, Judged, scores
from tests.judge.server import (
    Endpoint,
    Fault,
    answers_in,
    completion,
    late,
    raw,
    reset,
    says,
    status,
    text,
)

TRUE = {
    "a-42/1": [10.0, 11.0, 12.0, 13.0],
    "b-42/1": [20.0, 21.0, 22.0, 23.0],
    "c-42/7": [30.0, 31.0, 32.0, 33.0],
}


def test_all_answers_to_a_question_go_in_one_request(endpoint: Endpoint, judged: Judged) -> None:
    rows = judged(temperature=0.5, seed=7, options={"max_completion_tokens": 900})
    assert scores(rows) == TRUE
    assert len(endpoint.bodies) == 4
    for row in rows:
        asked = [ANSWERS[model][row["question"]] for model in row["order"]]
        (body,) = [body for body in endpoint.bodies if answers_in(body) == asked]
        assert (body["temperature"], body["max_completion_tokens"]) == (0.5, 900)
        assert body["response_format"]["json_schema"]["schema"] == reply_schema(3)
        assert "-42" not in json.dumps(body)  # the name of a run is not sent
    assert {tuple(row["order"]) for row in rows} != {tuple(rows[0]["order"])}
    assert set(endpoint.keys) == {f"Bearer {KEY}"}


def test_what_an_endpoint_may_refuse_is_only_sent_where_configured(
    endpoint: Endpoint, judged: Judged
) -> None:
    judged(reply_format="text")
    assert all(body.keys() == {"model", "messages"} for body in endpoint.bodies)


def test_rows_say_who_judged_and_nothing_volatile(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.faults = [text("no"), status(500)]
    rows = judged(at_once=1)
    assert [row["raw"]["replies"] for row in rows] == [2, 1, 1, 1]
    assert rows[0]["raw"]["usage"] == {"prompt_tokens": 2000, "completion_tokens": 200}
    assert rows[1]["raw"]["usage"] == {"prompt_tokens": 1000, "completion_tokens": 100}
    for row in rows:
        assert row["raw"].keys() == {"content", "model", "usage", "replies", "request"}
        assert row["raw"]["model"] == "judge-2026-11-01"
        assert json.loads(row["raw"]["content"])["model_3"]["score"] > 0


def test_a_rerun_asks_nothing_and_gives_the_same_bytes(
    endpoint: Endpoint, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.faults = [text("no")] * 2
    judged(attempts=2, at_once=1)
    out = tmp_path / "judge/one/round-1.jsonl"
    before, asked = out.read_bytes(), len(endpoint.bodies)
    monkeypatch.delenv("OPENAI_API_KEY")  # no key is needed any more
    judged(attempts=2, at_once=3)
    assert (out.read_bytes(), len(endpoint.bodies)) == (before, asked)


def test_a_changed_answer_asks_again_for_that_question_only(
    endpoint: Endpoint, judged: Judged
) -> None:
    judged()
    changed = {**ANSWERS, "b-42/1": ["I say 20.", "I say 77.", "I say 22.", "I say 23."]}
    assert scores(judged(changed))["b-42/1"] == [20.0, 77.0, 22.0, 23.0]
    assert len(endpoint.bodies) == 5


def test_rounds_are_draws_of_their_own(endpoint: Endpoint, judged: Judged) -> None:
    one = {"a-42/1": ["I say 5."]}  # with one model there is only one order
    judged(one, round=1, seed=3)
    judged(one, round=2, seed=3)
    first, second = endpoint.bodies
    assert first["messages"] == second["messages"]
    assert first["seed"] != second["seed"]
    judged(one, round=3)
    judged(one, round=4)  # exactly the same body
    assert endpoint.bodies[2] == endpoint.bodies[3]


def test_equal_questions_are_asked_once(endpoint: Endpoint, judged: Judged, tmp_path: Path) -> None:
    from noiseband.io.files import read_jsonl, write_jsonl
    from noiseband.judge.judge import judge_files
    from noiseband.study.judges import OpenAIJudge

    judged({"a-42/1": ["I say 5."] * 4})
    file = tmp_path / "runs/a-42/ift/one/1/answers.jsonl"
    write_jsonl(file, [{**row, "instruction": "Same?"} for row in read_jsonl(file)])
    asked = len(endpoint.bodies)
    config = OpenAIJudge(kind="openai", base_url=endpoint.base_url, model="judge")
    endpoint.pause = 0.05
    judge_files(config, 1, [file], tmp_path / "store", tmp_path / "out.jsonl")
    assert len(endpoint.bodies) == asked + 1
    assert len(read_jsonl(tmp_path / "out.jsonl")) == 4


def drop(verdict: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in verdict.items() if key != "model_2"})


def with_score(score: Any) -> Fault:
    return says(lambda v: json.dumps({**v, "model_1": {"reason": "x", "score": score}}))


RETRIED: dict[str, Fault] = {
    "429": status(429, retry_after="0"),
    "500": status(500, "oops"),
    "503 with a page": status(503, "<html>busy</html>"),
    "a timeout": late(1.0),
    "a connection that breaks": reset,
    "a body that is not JSON": raw('{"choices": [{'),
    "a page": raw("<html>welcome</html>"),
    "JSON that is no completion": raw('{"object": "list", "data": []}'),
    "a list": raw("[]"),
    "deep nesting": raw("[" * 100_000),
    "no choice": raw('{"choices": []}'),
    "broken JSON": says(lambda v: json.dumps(v)[:-9]),
    "prose alone": text("They are all fine."),
    "no text": text(None),
    "blanks": text("  \n"),
    "a model missing": says(drop),
    "a model too many": says(lambda v: json.dumps({**v, "model_4": v["model_1"]})),
    "a list of scores": says(lambda v: json.dumps([one["score"] for one in v.values()])),
    "no reason": says(lambda v: json.dumps({k: {"score": 5} for k in v})),
    "a score above 100": with_score(101),
    "a score below 0": with_score(-1),
    "not a number": with_score(float("nan")),
    "infinity": with_score(float("inf")),
    "a score in words": with_score("high"),
    "a score that is true": with_score(True),
    "a null": with_score(None),
    "a key twice": says(lambda v: json.dumps(v)[:-1] + ', "model_1": {"reason": "", "score": 1}}'),
    "two verdicts": says(lambda v: json.dumps(v) + json.dumps(dict.fromkeys(v, v["model_1"]))),
    "braces": text("{" * 5_000),
    "objects nested without end": text('{"a":' * 20_000),
    "too long": text(" " * 100_000 + "{}"),
}  # fmt: skip


@pytest.mark.parametrize("fault", RETRIED.values(), ids=RETRIED.keys())
def test_a_fault_is_retried(endpoint: Endpoint, judged: Judged, fault: Fault) -> None:
    endpoint.faults = [fault, fault]
    assert scores(judged(timeout=0.5, at_once=1, attempts=3)) == TRUE
    assert len(endpoint.bodies) == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda v: "Here you are:\n```json\n" + json.dumps(v, indent=2) + "\n```\nI hope it helps {",
        lambda v: "{unsure} but: " + json.dumps(v),
        lambda v: json.dumps(v) + "\n" + json.dumps(v),
        lambda v: json.dumps(
            {key: {"score": float(one["score"]), "reason": ""} for key, one in v.items()}
        ),
        lambda v: json.dumps(dict(reversed(v.items()))),
    ],
    ids=["fenced", "a brace before", "twice the same", "floats, score first", "another order"],
)  # fmt: skip
def test_what_is_meant_is_read(endpoint: Endpoint, judged: Judged, change: Any) -> None:
    endpoint.always = says(change)
    assert scores(judged()) == TRUE
    assert len(endpoint.bodies) == 4


def test_a_reply_that_stays_unusable_is_missing_and_not_paid_again(
    endpoint: Endpoint, judged: Judged, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.faults = [text('{"model_1": 5}')] * 3
    rows = judged(attempts=3, at_once=1)
    assert scores(rows) == {model: [None, *given[1:]] for model, given in TRUE.items()}
    reason = "no usable reply in 3: model_2 is missing"
    assert rows[0]["scores"]["a-42/1"]["reason"] == reason
    assert rows[0]["raw"]["content"] == '{"model_1": 5}'
    assert f"'Question 0?': {reason}; scores missing" in capfd.readouterr().err
    assert len(endpoint.bodies) == 6
    judged(attempts=3)
    assert len(endpoint.bodies) == 6


def test_a_seed_moves_on_after_a_useless_reply_alone(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.faults = [status(500), text("no"), status(500)]
    judged({"a-42/1": ["I say 5."]}, seed=3, attempts=5)
    seeds = [body["seed"] - endpoint.bodies[0]["seed"] for body in endpoint.bodies]
    assert seeds == [0, 0, 1, 1]


def test_silence_stops_the_round_and_a_rerun_goes_on(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    endpoint.always = status(500)
    with pytest.raises(UserError, match=r"within judge.attempts=3 \(last: status 500\); run again"):
        judged(attempts=3, at_once=1)
    assert not (tmp_path / "judge/one/round-1.jsonl").exists()
    assert len(endpoint.bodies) == 3 + 1  # the last one is a short request
    endpoint.always = None
    assert scores(judged(attempts=3)) == TRUE
    assert len(endpoint.bodies) == 4 + 4


def test_a_proxy_is_not_asked_for_an_endpoint_on_this_machine(
    endpoint: Endpoint, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    endpoint.base_url = endpoint.base_url.replace("127.0.0.1", "localhost")
    assert scores(judged()) == TRUE


@pytest.mark.parametrize("header", ["seconds", "date", "milliseconds"])
def test_retry_after_is_honoured(
    endpoint: Endpoint, judged: Judged, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = {
        "seconds": {"retry_after": "1"},
        "date": {"retry_after": formatdate(time.time() + 2, usegmt=True)},
        "milliseconds": {"retry_after_ms": "1000"},
    }[header]
    monkeypatch.setattr(asking, "LONGEST_BACKOFF", 0.01)
    endpoint.faults = [status(429, **later)]
    judged({"a-42/1": ["I say 5."]})
    first, second = endpoint.times
    assert 0.9 < second - first < 2.5


def test_a_wait_that_is_too_long_stops_at_once(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.always = status(429, retry_after="86400")
    with pytest.raises(UserError, match=r"asks to wait 86,400 s, longer than judge.longest_wait"):
        judged(at_once=1)
    assert len(endpoint.bodies) == 1


def test_waits_grow_and_are_drawn(endpoint: Endpoint, judged: Judged) -> None:
    waits: list[list[float]] = []
    for _ in range(2):
        endpoint.faults, endpoint.times = [status(500)] * 3, []
        judged({"a-42/1": [f"I say {len(waits)}."]})
        waits.append([b - a for a, b in zip(endpoint.times, endpoint.times[1:], strict=False)])
    assert waits[0] != waits[1]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (401, r"give a valid key in \$OPENAI_API_KEY"),
        (403, r"give a key in \$OPENAI_API_KEY that has access to the model"),
        (404, "check judge.base_url and judge.model"),
        (418, "correct the problem, then run again"),
    ],
)
def test_a_refusal_stops_at_once(
    endpoint: Endpoint, judged: Judged, code: int, remedy: str
) -> None:
    endpoint.always = status(code, '{"error": {"message": "no,\\nnot\\u0007 you"}}')
    with pytest.raises(UserError, match=rf"status {code} \(.*no, not you.*\); {remedy}") as caught:
        judged(at_once=1)
    assert "\n" not in str(caught.value)
    assert len(endpoint.bodies) == 1


def test_a_quota_that_is_used_up_is_not_waited_for(endpoint: Endpoint, judged: Judged) -> None:
    error = {"error": {"message": "You exceeded it", "code": "insufficient_quota"}}
    endpoint.always = status(429, json.dumps(error))
    with pytest.raises(UserError, match="the quota is used up"):
        judged(at_once=1)
    assert len(endpoint.bodies) == 1


def test_requests_in_flight_are_bounded(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.pause = 0.1
    many = {"a-42/1": [f"I say {n}." for n in range(12)]}
    rows = judged(many, at_once=3)
    assert endpoint.most_at_once == 3
    assert scores(rows)["a-42/1"] == [float(n) for n in range(12)]


def test_one_failure_ends_the_others_waits(
    endpoint: Endpoint, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "LONGEST_BACKOFF", 60.0)
    endpoint.faults = [status(429, retry_after="50"), status(404)]
    start = time.monotonic()
    with pytest.raises(UserError, match="status 404"):
        judged(at_once=2)
    assert time.monotonic() - start < 5
    assert len(endpoint.bodies) <= 4


def test_half_a_surrogate_pair_passes_in_both_directions(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    endpoint.always = text('{"model_1": {"reason": "odd \ud800 \\udfff", "score": 7}}')
    (row,) = judged({"a-42/1": ["lone \ud800 5"]})
    assert answers_in(endpoint.bodies[-1]) == ["lone \ufffd 5"]
    assert row["scores"]["a-42/1"] == {"score": 7.0, "reason": "odd \ufffd \ufffd"}
    assert "\ufffd" in row["raw"]["content"]
    (stored,) = (tmp_path / "store").glob("*.json")
    kept = json.loads(stored.read_text())["replies"][0]["choices"][0]["message"]["content"]
    assert "\ud800" in kept  # as it came


def test_a_completion_may_have_more_than_is_read(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.always = raw(completion('{"model_1": {"reason": "r", "score": 4}}', usage=None, x=[1]))
    (row,) = judged({"a-42/1": ["I say 5."]})
    assert row["raw"]["usage"] is None


def test_a_reply_cannot_write_to_a_terminal(
    endpoint: Endpoint, judged: Judged, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.faults = [text('{"model_1": 1, "\x1b[2J\u202e\\n": 1}'.replace("\x1b", "\\u001b"))]
    with pytest.raises(UserError, match="was not asked about"):
        judged({"a-42/1": ["I say 5."]}, attempts=1)
    message = {"choices": [{"message": {"content": None, "refusal": "\x1b[2Jno"}}]}
    endpoint.faults = [raw(json.dumps(message))]
    with pytest.raises(UserError, match="refused"):
        judged({"a-42/1": ["I say 6."]}, attempts=1)
    said = capfd.readouterr().err
    assert "was not asked about" in said
    assert "refused" in said
    assert said.count("\n") == 2
    assert said.replace("\n", "").isprintable()
