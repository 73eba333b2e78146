"""The time of runs that a command makes, from those that are finished."""

from noiseband.plan.measured import expected

ARMS = {"baseline-1": "baseline", "baseline-2": "baseline", "deep-1": "deep", "wide-1": "wide"}


def test_before_a_run_is_finished_nothing_is_known() -> None:
    assert set(expected(ARMS, {}).values()) == {None}


def test_the_first_finished_run_prices_all() -> None:
    assert set(expected(ARMS, {"baseline-1": 10.0}).values()) == {10.0}


def test_a_run_takes_its_own_time_then_its_arms_then_the_studys() -> None:
    found = expected(ARMS, {"baseline-1": 10.0, "deep-1": 40.0})
    assert found == {"baseline-1": 10.0, "baseline-2": 10.0, "deep-1": 40.0, "wide-1": 25.0}
