"""A budget stops before the request that would exceed it, and judging continues from there."""

from __future__ import annotations

import pytest

from noiseband.errors import UserError
from noiseband.judge.ledger import Ledger
from noiseband.judge.store import Entry
from noiseband.study.judges import Budget
from tests.judge.conftest import ANSWERS, Judged, scores
from tests.judge.server import Endpoint, status, text


def priced(money: float | None = None) -> Budget:
    return Budget(money=money, input_price=2.0, output_price=10.0)


EACH = (1000 * 2.0 + 100 * 10.0) / 1e6
"""The cost of one reply of the test's server."""


def test_requests_stop_and_go_on(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.faults = [status(500)]  # a failed request counts
    with pytest.raises(UserError, match=r"judge.budget.requests: 3 is spent \(3\); raise it"):
        judged(budget=Budget(requests=3), at_once=1)
    assert len(endpoint.bodies) == 3
    with pytest.raises(UserError, match="is spent"):
        judged(budget=Budget(requests=3))
    assert len(endpoint.bodies) == 3
    assert scores(judged(budget=Budget(requests=5)))["a-42/1"] == [10, 11, 12, 13]
    assert len(endpoint.bodies) == 5
    judged(budget=Budget(requests=1))  # nothing is asked, so nothing is stopped
    with pytest.raises(UserError, match="is spent"):
        judged(round=2, budget=Budget(requests=5))  # the budget counts all rounds together
    assert len(endpoint.bodies) == 5


def test_requests_are_never_more_however_many_are_in_flight(
    endpoint: Endpoint, judged: Judged
) -> None:
    endpoint.pause = 0.05
    with pytest.raises(UserError, match="is spent"):
        judged({"a-42/1": [f"I say {n}." for n in range(20)]}, budget=Budget(requests=7), at_once=6)
    assert len(endpoint.bodies) == 7
    judged({"a-42/1": [f"I say {n}." for n in range(20)]}, budget=Budget(requests=20), at_once=6)
    assert len(endpoint.bodies) == 20  # replies in flight at the stop were kept


def test_money_stops_and_goes_on(endpoint: Endpoint, judged: Judged) -> None:
    with pytest.raises(UserError, match=r"judge.budget.money: 0.005 is spent \(0.0060\)"):
        judged(budget=priced(0.005), at_once=1)
    assert len(endpoint.bodies) == 2
    judged(budget=priced(4 * EACH), at_once=1)
    assert len(endpoint.bodies) == 4


def test_useless_replies_cost_too(endpoint: Endpoint, judged: Judged) -> None:
    endpoint.faults = [text("no")]
    with pytest.raises(UserError, match=r"\(0.0060\)"):
        judged(budget=priced(0.005), at_once=1)


def test_money_needs_usage(endpoint: Endpoint, judged: Judged) -> None:
    one = {"a-42/1": ANSWERS["a-42/1"][:1]}
    endpoint.always = text('{"model_1": {"reason": "", "score": 1}}', usage=None)
    with pytest.raises(UserError, match="the endpoint does not report usage"):
        judged(one, budget=priced(1.0))
    judged(one, budget=Budget(requests=1))  # the reply was kept


def test_the_ledger_adds_up() -> None:
    reply = {"usage": {"prompt_tokens": 1_000_000, "completion_tokens": 500_000}}
    entries = [Entry({}, requests=3, replies=[reply, reply]), Entry({}, requests=1)]
    ledger = Ledger(priced(), entries)
    assert (ledger.requests, ledger.money) == (4, 2 * (2.0 + 5.0))
    ledger.reserve(again=True)
    assert ledger.status == "5 requests  1 retries  14.00 spent"
    assert Ledger(Budget(), entries).status == "4 requests  0 retries"
