"""Contenders take turns in processes of their own, and the clock runs only while one works."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from benchmarks.side_by_side import Measured, Pace, measure, ratios


@dataclass(frozen=True)
class Sleeper:
    """Sleeps `seconds` a step, and `first` more in the first step of a turn."""

    seconds: float
    first: float = 0.0
    steps: int = 1000

    def __call__(self, pace: Pace) -> None:
        pace.begin()
        for step in range(self.steps):
            time.sleep(self.seconds + (self.first if step % (BLOCK + 1) == 0 else 0.0))
            pace.step(float(step))


BLOCK = 3


def test_a_third_of_the_time_is_three_times_as_fast() -> None:
    found = measure({"fast": Sleeper(0.01), "slow": Sleeper(0.03)}, rounds=5, block=BLOCK)
    low, middle, high = sorted(ratios(found["fast"], found["slow"]))
    assert 2.0 < middle < 4.0
    assert low <= middle <= high
    assert [len(measured.seconds) for measured in found.values()] == [5, 5]
    # Of the very first turn, warm-up though it is.
    assert found["slow"].first_losses == [0.0, 1.0, 2.0, 3.0]


def test_the_first_step_of_a_turn_is_not_timed() -> None:
    found = measure({"late": Sleeper(0.001, first=0.5)}, rounds=2, block=BLOCK)
    assert max(found["late"].seconds) < 0.4


def test_a_contender_that_ends_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="brief ended"):
        measure({"brief": Sleeper(0.0, steps=BLOCK)}, rounds=1, block=BLOCK)


def test_each_round_is_kept_and_none_begins_that_there_is_no_time_for() -> None:
    kept: list[int] = []

    def keep(found: dict[str, Measured]) -> None:
        kept.append(len(found["one"].seconds))

    contenders = {"one": Sleeper(0.05)}
    found = measure(contenders, 50, BLOCK, until=time.monotonic() + 8.0, keep=keep)
    assert kept == list(range(1, len(kept) + 1))
    assert 1 <= len(kept) < 50
    kept.clear()
    found = measure(contenders, 5, BLOCK, until=0.0, keep=keep)
    assert kept == [1]  # the first one counts, late or not
    assert ratios(found["one"], found["one"]) == (1.0, 1.0, 1.0)
