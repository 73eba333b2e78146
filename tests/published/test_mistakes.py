"""Every mistake of the series, with the corrected figure."""

from __future__ import annotations

from noiseband.published.mistakes import mistakes


def test_every_one_is_there_with_its_corrected_figure() -> None:
    found = {(one.number, one.about): (one.printed, one.corrected) for one in mistakes()}
    assert {number for number, _ in found} == set(range(1, 8))
    expected = {
        (1, "SD, train-only seeds"): ("0.008672", "0.005007 population, 0.006132 sample"),
        (1, "SD, init-only seeds"): ("0.012062", "0.006964 population, 0.008529 sample"),
        (2, "weights' seed against training seed"): (
            "weights matter more", "variances 1.93 to 1, two-sided F p = 0.68",
        ),
        (3, "distance at which two runs stand out"): (
            "none", "0.034 (normal), 0.043 (t, 6 df); SD 0.0123",
        ),
        (3, "stand out as one family"): (
            "most interventions", "schedule-learning-rate; 2 harms",
        ),
        (3, "gradient-clipping"): ("0.013 better", "0.004 worse than the mean of seven"),
        (3, "full-float32"): ("0.013 better", "0.005 worse than the mean of seven"),
        (3, "qkv-bias"): ("0.022 better", "0.005 better than the mean of seven"),
        (4, "test loss of weight-decay-cerebras"): ("3.867", "3.813856"),
        (7, "ratio of the two SDs"): ("about double", "1.39"),
        (7, "hours of the local stacked run"): ("44", "40.6"),
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected


def test_each_says_why() -> None:
    assert all(len(one.why.split()) > 5 and one.why.endswith(".") for one in mistakes())
