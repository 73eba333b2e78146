"""A question that never gets a reply is a missing score, if the endpoint replies to the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.judge.asking import MOST_REFUSED, PROBE
from noiseband.judge.store import Store
from tests.judge.conftest import Judged, scores
from tests.judge.server import Endpoint, Fault, Handler, good, late, raw, reset, status, text
from tests.judge.test_refusals import EIGHT, error, refusing

MISSING = {
    "a-42/1": [10, 11, 12, None, 14, 15, 16, 17],
    "b-42/1": [50, 50, 50, None, 50, 50, 50, 50],
}
NEVER: dict[str, Fault] = {
    "500": status(500, error(500, "CUDA error: device-side assert")),
    "a page of a gateway": status(502, "<html>Bad Gateway</html>"),
    "a timeout": late(1.0),
    "a connection that breaks": reset,
    "not JSON": raw("oops"),
    "an error in place of a reply": raw(error(None, "Provider returned an error")),
}
FAILS = NEVER["500"]


def question_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def if_not_probed(fault: Fault) -> Fault:
    """A fault for all requests but the short one; the reply to that is no verdict."""

    def either(handler: Handler, body: dict[str, Any]) -> None:
        (text("OK") if body["messages"] == PROBE else fault)(handler, body)

    return either


@pytest.mark.parametrize("fault", NEVER.values(), ids=NEVER.keys())
def test_the_others_go_on(
    endpoint: Endpoint, judged: Judged, told: list[str], fault: Fault
) -> None:
    endpoint.always = if_not_probed(refusing(fault))
    rows = judged(EIGHT, attempts=2, timeout=0.5)
    assert scores(rows) == MISSING
    reason = rows[3]["scores"]["a-42/1"]["reason"]
    assert reason.startswith("no reply within judge.attempts=2, twice, although the endpoint ")
    assert "2 of 16 scores of round 1 are missing" in told[-1]
    assert len(endpoint.bodies) == 7 + 2 * (2 + 1)  # two attempts and a short request, twice


def test_the_reason_has_the_endpoints_words(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.always = if_not_probed(refusing(FAILS))
    reason = judged(EIGHT, attempts=1)[3]["scores"]["b-42/1"]["reason"]
    assert reason.endswith(
        "(last: status 500 (CUDA error: device-side assert)); take another judge, or raise "
        "judge.attempts to ask again"
    )


def test_it_is_asked_again_after_all_others(endpoint: Endpoint, judged: Judged) -> None:
    """An endpoint that was down for a while has then recovered."""
    endpoint.faults, endpoint.always = [FAILS, FAILS], if_not_probed(good)
    rows = judged(EIGHT, attempts=2, at_once=1)
    assert scores(rows)["a-42/1"] == list(range(10, 18))
    assert [row["question"] for row in rows] == list(range(8))
    asked = [question_of(body) for body in endpoint.bodies]
    assert asked[0] == asked[1] == asked[-1]
    assert asked[2] == PROBE[0]["content"]
    assert asked.index(asked[0], 2) == len(asked) - 1


def test_it_is_kept_until_attempts_are_raised(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.always = if_not_probed(refusing(FAILS))
    first = judged(EIGHT, attempts=2)
    asked = len(endpoint.bodies)
    assert judged(EIGHT, attempts=2) == first
    assert len(endpoint.bodies) == asked
    endpoint.always = None
    assert scores(judged(EIGHT, attempts=3))["a-42/1"][3] == 13
    assert len(endpoint.bodies) == asked + 1


def test_a_rerun_with_only_this_question_left_ends_too(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    """The endpoint replies to nothing else then, so the short request shows that it works."""
    endpoint.always = None
    judged(EIGHT)
    endpoint.always = if_not_probed(refusing(FAILS))
    for entry in Store(tmp_path / "store").entries():
        if "I say 13." in question_of(entry.request["body"]):
            (tmp_path / "store" / f"{entry.key}.json").unlink()
    assert scores(judged(EIGHT, attempts=1)) == MISSING


def test_an_endpoint_that_replies_to_nothing_stops_judging_at_once(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    endpoint.always = FAILS
    with pytest.raises(UserError, match=r"no reply within judge.attempts=2 \(last: status 500"):
        judged(EIGHT, attempts=2, at_once=1)
    assert len(endpoint.bodies) == 3
    assert not any(entry.finished for entry in Store(tmp_path / "store").entries())
    endpoint.always = None
    assert scores(judged(EIGHT))["a-42/1"] == list(range(10, 18))


def test_an_endpoint_that_stops_in_between_stops_judging(
    endpoint: Endpoint, judged: Judged
) -> None:
    endpoint.faults, endpoint.always = [good] * 3, FAILS
    with pytest.raises(UserError, match="no reply within"):
        judged(EIGHT, attempts=2, at_once=1)
    assert len(endpoint.bodies) == 3 + 3


def test_an_endpoint_that_fails_for_every_question_stops_judging(
    endpoint: Endpoint, judged: Judged
) -> None:
    endpoint.always = if_not_probed(FAILS)
    with pytest.raises(UserError, match=r"no reply within judge.attempts=1"):
        judged(EIGHT, attempts=1, at_once=1)
    assert len(endpoint.bodies) == 2 * MOST_REFUSED - 1


def test_some_questions_that_all_fail_are_a_round_without_scores(
    endpoint: Endpoint, judged: Judged, tmp_path: Path
) -> None:
    endpoint.always = if_not_probed(FAILS)
    with pytest.raises(UserError, match=r"no score for any of 3 answers.*\(3 times\): no reply"):
        judged({"a-42/1": ["I say 1.", "I say 2.", "I say 3."]}, attempts=1)
    assert not (tmp_path / "judge/one/round-1.jsonl").exists()


@pytest.mark.parametrize(
    "fault", [status(429), status(503, retry_after="0")], ids=["429", "a wait that is asked for"]
)
def test_an_endpoint_with_too_much_to_do_says_nothing_about_the_question(
    endpoint: Endpoint, judged: Judged, fault: Fault
) -> None:
    endpoint.always = refusing(fault)
    with pytest.raises(UserError, match=r"no reply within judge.attempts=2"):
        judged(EIGHT, attempts=2)


def test_the_short_request_counts_for_the_budget(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.always = if_not_probed(refusing(FAILS))
    with pytest.raises(UserError, match=r"judge.budget.requests: 12 is spent"):
        judged(EIGHT, attempts=2, budget={"requests": 12})
    assert scores(judged(EIGHT, attempts=2, budget={"requests": 20})) == MISSING
