"""Numbers and sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noiseband.analysis.rows import Call, VerdictRow
from noiseband.report import words

HELPS = VerdictRow(
    intervention="a",
    runs=2,
    effect=-0.1234,
    low=-0.2,
    high=-0.05,
    p_value=0.01,
    verdict=Call.HELPS,
    smallest_visible=0.075,
    seeds_low=2,
    seeds_high=9,
    degrees_of_freedom=5,
    se=0.03,
    residual_sd=0.04,
    runs_without_value=(),
)
NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("share", "expected"),
    [(None, "–"), (0.0, "0.00%"), (1e-9, "< 0.01%"), (0.0014, "0.14%"), (1.0, "100.00%")],
)
def test_a_little_is_not_nothing(share: float | None, expected: str) -> None:
    assert words.percent(share) == expected


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (4.8612344, 6, "4.861234"),
        (-0.5, 2, "−0.50"),
        (-0.0001, 2, "0.00"),
        (None, 2, "–"),
        (float("nan"), 2, "not finite"),
    ],
)
def test_fixed(value: float | None, decimals: int, expected: str) -> None:
    assert words.fixed(value, decimals) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.012, "+0.01"), (-0.012, "−0.01"), (0.001, "0.00"), (None, "–")]
)
def test_signed(value: float | None, expected: str) -> None:
    assert words.signed(value, 2) == expected


@pytest.mark.parametrize(
    ("p_value", "expected"),
    [(None, "–"), (0.0009, "< 0.001"), (0.00312, "0.0031"), (0.0951, "0.10"), (1.0, "1.00")],
)
def test_p_values(p_value: float | None, expected: str) -> None:
    assert words.p_text(p_value) == expected


@pytest.mark.parametrize(
    ("spread", "decimals"), [(0.0049, 4), (0.012, 3), (0.3, 2), (4.0, 2), (1e-9, 6), (None, 4)]
)
def test_decimals_show_two_digits_of_the_noise(spread: float | None, decimals: int) -> None:
    assert words.decimals_of(spread) == decimals


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "lowers the test loss by 0.12 (0.05 to 0.20)."),
        (
            {"verdict": Call.HURTS, "effect": 0.1, "low": 0.01, "high": 0.19},
            "raises the test loss by 0.10 (0.01 to 0.19).",
        ),
        (
            {"verdict": Call.WITHIN_NOISE, "high": 0.03},
            "changes the test loss by −0.12 (−0.20 to +0.03).",
        ),
        (
            {"verdict": Call.NOT_ENOUGH_RUNS, "low": None, "high": None},
            "lowers the test loss by 0.12, but nothing was run twice to compare with.",
        ),
        (
            {
                "verdict": Call.NOT_ENOUGH_RUNS,
                "low": None,
                "high": None,
                "scatter_ratio": 12.3,
            },
            "lowers the test loss by 0.12, but scatters 12 times as much as the other arms, "
            "and has too few runs of its own.",
        ),
        (
            {"runs_without_value": ("a-3",)},
            "lowers the test loss by 0.12 (0.05 to 0.20). "
            "1 more run ended without a finite test loss.",
        ),
        (
            {"runs": 0, "effect": None, "runs_without_value": ("a-1", "a-2")},
            "has no run with a finite test loss: 2 runs ended without one.",
        ),
        ({"runs": 0, "effect": None}, "has no run to compare with the baseline."),
        (
            {"verdict": Call.IDENTICAL, "effect": 0.0, "low": None, "high": None},
            "changes nothing: its runs are those of the baseline, bit for bit.",
        ),
        (
            {"tipping_ratio": 2.34},
            "lowers the test loss by 0.12 (0.05 to 0.20). "
            "This holds unless it is 2.3 times as noisy as the other arms.",
        ),
        ({"tipping_ratio": 12.0}, "lowers the test loss by 0.12 (0.05 to 0.20)."),
    ],
)
def test_an_answer_says_what_the_row_says(changes: dict[str, object], expected: str) -> None:
    row = replace(HELPS, **changes)  # type: ignore[arg-type]
    assert words.answer(row, 2).replace(NBSP, " ") == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "–"),
        ({"tipping_ratio": 2.34}, "holds unless it is 2.3 times as noisy as the other arms"),
        ({"tipping_ratio": 12.0}, "firm"),
        ({"tipping_ratio": 2.0, "own_low": -0.3, "own_high": -0.1}, "firm"),
        (
            {"tipping_ratio": 2.0, "own_low": -0.3, "own_high": 0.1},
            "holds unless it is 2.0 times as noisy as the other arms",
        ),
        ({"tipping_ratio": 12.0, "verdict": Call.NO_DIFFERENCE}, "–"),
    ],
)
def test_firmness(changes: dict[str, object], expected: str) -> None:
    assert words.firmness(replace(HELPS, **changes)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(None, None, "–"), (3, None, "3 or more"), (2, 2, "2"), (2, 1200, "2 to 1,200")],
)
def test_seeds(low: int | None, high: int | None, expected: str) -> None:
    assert words.seeds(replace(HELPS, seeds_low=low, seeds_high=high)) == expected


def test_the_summary_counts_every_verdict() -> None:
    rows = [
        HELPS,
        HELPS,
        replace(HELPS, verdict=Call.HURTS),
        replace(HELPS, verdict=Call.WITHIN_NOISE),
        replace(HELPS, verdict=Call.NOT_ENOUGH_RUNS),
        replace(HELPS, verdict=Call.NO_DIFFERENCE),
        replace(HELPS, verdict=Call.IDENTICAL),
    ]
    assert words.summary(rows) == (
        "Of 7 changes, 2 help, 1 hurts, 1 makes no difference that matters, 1 is within the noise, "
        "1 has not enough runs and 1 is identical to the baseline."
    )
    assert words.summary(rows[:1]) == "Of 1 change, 1 helps."
    assert words.summary([]).startswith("No change has been tried yet")


def test_percentages() -> None:
    assert [words.whole_percent(x) for x in (0.593, -0.004, -0.126, 1.5)] == [
        "59%",
        "0%",
        "\u221213%",
        "150%",
    ]
