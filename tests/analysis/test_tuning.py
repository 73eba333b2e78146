"""Twins, repeats and fine-tuning noise in the report."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from noiseband.analysis.rows import RunRow
from noiseband.analysis.tuning import tuning_noise_rows, twin_rows
from noiseband.analysis.tuning_rows import FinetuningRow
from tests.fake_runs import BASELINES, FakeRun
from tests.pages import Made, make
from tests.small_study import write_study

ORIGINAL = RunRow(
    run="a", intervention="baseline", interventions=(), init_seed=42, data_seed=None, train_seed=42,
    repeat_of=None, continues=None, value=4.0, improvement=0.0, bits_per_byte=2.0,
    final_train_loss=4.0, steps=10, tokens=100, clipped_steps=0, skipped_steps=0,
    weights_sha256="1", recipe_sha256="1", changes=(), residual=None,
)  # fmt: skip
TWIN = replace(ORIGINAL, run="twin", weights_sha256="2", changes=("batch.microbatch=4",))
REPEAT = replace(ORIGINAL, run="again", repeat_of="a")
ELSEWHERE = replace(REPEAT, run="elsewhere", weights_sha256="3")
OTHERS = [
    replace(ORIGINAL, run=name, init_seed=seed, weights_sha256=name)
    for name, seed in (("b", 22), ("c", 67), ("d", 68))
]
RUNS = [ORIGINAL, TWIN, *OTHERS, REPEAT, ELSEWHERE]
NOISE = {1: 0.1, 2: -0.2, 3: 0.1}
"""Changes by fine-tuning seed, rotated by one from run to run."""


def models(scores: Mapping[str, float], seeds: int = 3) -> list[FinetuningRow]:
    """Each run's score with a little noise of its own; its validation loss is a tenth of it."""
    rows = []
    for place, (run, score) in enumerate(scores.items()):
        for seed in range(1, seeds + 1):
            value = score + NOISE[1 + (seed + (0 if run == "again" else place)) % 3]
            given = FinetuningRow(run, "p", seed, 4.0, 1, 1, value / 10, value, 9, 0, *[None] * 3)
            rows.append(given)
    return rows


def findings(scores: Mapping[str, float], seeds: int = 3) -> dict[str, tuple[str, str, str]]:
    found = [r for r in twin_rows(models(scores, seeds), RUNS, 0.05) if r.measure == "judge score"]
    return {row.run: (row.kind, row.compared_with, row.finding) for row in found}


def test_losses_per_token_of_different_vocabularies_are_not_compared() -> None:
    found = models({"a": 20.0, "b": 30.0, "twin": 26.0})
    noise, twins = (rows(found, RUNS, 0.05, False) for rows in (tuning_noise_rows, twin_rows))
    assert [row.measure for row in noise] == [row.measure for row in twins] == ["judge score"]


def test_twins_are_judged_by_fine_tuning_noise() -> None:
    scores = {"a": 20.0, "b": 30.0, "c": 25.0, "d": 22.0}
    assert findings({**scores, "twin": 20.2})["twin"] == ("twin", "a", "within fine-tuning noise")
    assert findings({**scores, "twin": 26.7})["twin"] == (
        "twin", "a", "more than fine-tuning noise",
    )  # fmt: skip
    assert findings({**scores, "twin": 26.7}, seeds=1)["twin"] == (
        "twin", "a", "not enough seeds",
    )  # fmt: skip
    assert findings(scores) == {}


def test_the_difference_and_both_measures() -> None:
    score, loss = twin_rows(models({"a": 20.0, "b": 30.0, "c": 1.0, "twin": 26.0}), RUNS, 0.05)
    assert (score.measure, loss.measure) == ("judge score", "validation loss")
    assert score.difference == pytest.approx(6.0)
    assert loss.difference == pytest.approx(0.6)
    assert score.low is not None and score.high is not None
    assert score.low < 6.0 < score.high
    assert score.seeds == 3


def test_a_repeat_of_the_same_weights_is_identical_and_counts_once() -> None:
    scores = {"a": 20.0, "b": 30.0, "again": 20.0}
    assert findings(scores)["again"] == ("repeat", "a", "identical")
    with_it, without = (
        tuning_noise_rows(models(given), RUNS, 0.05) for given in (scores, {"a": 20.0, "b": 30.0})
    )
    assert with_it == without
    # If only the repeat is fine-tuned, it counts instead of its original.
    (row, _) = tuning_noise_rows(models({"again": 20.0, "b": 30.0}), RUNS, 0.05)
    assert row.runs == 2


def test_equal_weights_that_fine_tune_to_another_end_are_told() -> None:
    assert findings({"a": 20.0, "b": 30.0, "again": 21.0})["again"] == (
        "repeat", "a", "same weights, other outcome",
    )  # fmt: skip


def test_a_repeat_with_other_weights_is_compared_like_a_twin() -> None:
    found = findings({"a": 20.0, "b": 30.0, "c": 25.0, "elsewhere": 24.0})
    assert found["elsewhere"] == ("repeat", "a", "more than fine-tuning noise")


def test_noise_within_runs_and_between_them() -> None:
    score, loss = tuning_noise_rows(models({"a": 20.0, "b": 30.0, "c": 25.0}), RUNS, 0.05)
    assert (score.protocol, score.measure, score.runs, score.models) == ("p", "judge score", 3, 9)
    assert score.within == pytest.approx((0.06 / 2) ** 0.5)
    assert score.between == pytest.approx(5.0)
    assert loss.within == pytest.approx((0.06 / 2) ** 0.5 / 10)
    assert score.p_value is not None and score.p_value < 1e-6
    missing = [replace(row, score=None) for row in models({"a": 20.0})]
    assert tuning_noise_rows(missing, RUNS, 0.05)[0].models == 0


def panel(made: Made) -> str:
    """The panel's text."""
    inside = made.page[made.page.index('id="finetuning-noise-title"') :].partition("<h3>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", inside)).split())


def test_the_page_shows_the_noise_of_seeds_and_how_twins_compare(tmp_path: Path) -> None:
    twin = FakeRun("baseline-42-wide", 4.86, difference={"batch.microbatch": [4, 8]})
    runs = [*BASELINES[:3], twin]
    models = [f"{run.name}/alpaca/{seed}" for run in runs for seed in (1, 2, 3)]
    made = make(tmp_path / "results", write_study(tmp_path / "results", runs, models=models))
    text = panel(made)
    assert "alpaca judge score 4 12" in text
    assert re.search(r"baseline-42-wide twin baseline-42 alpaca judge score 3 [+−\d]", text)
    assert re.search(r"(within|more than) fine-tuning noise", text)
    assert "One fine-tuning seed cannot show this" not in text


def test_the_page_says_what_one_seed_cannot_tell(made: Made) -> None:
    text = panel(made)
    assert "One fine-tuning seed cannot show this: give the protocol several" in text
    assert re.search(r"alpaca judge score \d+ \d+ – [\d.]+ [\d.]+ to [\d.]+ – not known", text)
