"""A gate is closed for a reason that it names."""

from __future__ import annotations

import pytest

import noiseband as nb
from noiseband.errors import UserError
from noiseband.referee.gates import failures
from tests.referee.tables import drawn


@pytest.fixture(scope="module")
def found() -> nb.Answer:
    frame = drawn(2, {"main": 4, "up": 4, "same": 4}, {"up": 0.1})
    return nb.verdicts(frame, baseline="main")


def test_a_verdict_that_no_arm_may_have(found: nb.Answer) -> None:
    assert failures(found, ["hurts"], []) == ["up: hurts (loss), and --fail-on says hurts"]
    assert failures(found, ["helps"], []) == []


def test_verdicts_of_which_every_arm_must_have_one(found: nb.Answer) -> None:
    assert failures(found, [], ["hurts", "within noise"]) == []
    assert failures(found, [], ["helps"]) == [
        "up: hurts (loss), and --require says helps",
        "same: within noise (loss), and --require says helps",
    ]


def test_a_text_that_is_no_verdict(found: nb.Answer) -> None:
    with pytest.raises(UserError, match="--require 'help': no such verdict; did you mean helps"):
        failures(found, [], ["help"])
