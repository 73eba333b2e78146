"""Two models on the same items, from files as evaluations write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from noiseband.analysis.rows import ItemsRow
from noiseband.analysis.tables import write_tables
from noiseband.evaluate.outcome import Outcome, mean_of, write_outcome
from noiseband.io.tables import read_rows
from noiseband.stats.verdicts import Better
from noiseband.study.metrics import NamedMetric
from tests.metrics_study import LOSSES, TEST_LOSS, study
from tests.pages import make
from tests.report.test_page import words_of

ITEMS = [f"item {number}" for number in range(200)]


def written(
    results: Path, kind: str = "choice", better: Better = "higher", lacking: bool = False
) -> dict[str, list[int]]:
    """A study whose evaluation `cloze` has items, and which of them each run answers rightly."""
    metric = NamedMetric(name="cloze.accuracy", better=better)
    params = study(results, TEST_LOSS, metric)
    draws = np.random.default_rng(3)
    right: dict[str, list[int]] = {}
    hard = draws.uniform(size=len(ITEMS))
    for arm in LOSSES:
        for seed in (1, 2, 3):
            skill = 0.7 if arm == "up" else 0.4
            own = [int(value) for value in hard + draws.normal(0, 0.1, len(ITEMS)) < skill]
            if arm == "same":
                own = right[f"baseline-{seed}"]
            right[f"{arm}-{seed}"] = own
            values = [*own[:-1], None] if lacking else own
            about = {"items": len(ITEMS)} if lacking else {}
            found = Outcome({"accuracy": mean_of(own)}, about, ITEMS, {"accuracy": values})
            folder = results / "runs" / f"{arm}-{seed}/evaluations"
            write_outcome(
                "cloze", kind, found, folder / "cloze.json", folder / "cloze.items.parquet"
            )
    write_tables(params, results)
    return right


def rows_of(results: Path) -> list[ItemsRow]:
    return read_rows(results / "tables/items.csv", ItemsRow)


def test_items_are_compared_in_pairs(tmp_path: Path) -> None:
    """The known answer is SciPy's paired t-test, for two comparisons at once (Sidak)."""
    right = written(tmp_path)
    up, same = rows_of(tmp_path)
    assert (up.metric, up.intervention, up.run, up.compared_with) == (
        "cloze.accuracy",
        "up",
        "up-1",
        "baseline-1",
    )
    test = stats.ttest_rel(right["up-1"], right["baseline-1"])
    interval = test.confidence_interval(0.95**0.5)
    assert up.difference == pytest.approx(np.mean(right["up-1"]) - np.mean(right["baseline-1"]))
    assert (up.difference_low, up.difference_high) == pytest.approx((interval.low, interval.high))
    differences = np.subtract(right["up-1"], right["baseline-1"])
    assert (up.items, up.improved, up.worsened) == (
        200,
        (differences > 0).sum(),
        (differences < 0).sum(),
    )
    assert (same.difference, same.difference_se, same.improved, same.worsened) == (0, 0, 0, 0)


def test_items_of_a_command_are_compared_where_both_models_have_them(tmp_path: Path) -> None:
    right = written(tmp_path, "command", lacking=True)
    up = rows_of(tmp_path)[0]
    assert up.items == 199
    differences = np.subtract(right["up-1"], right["baseline-1"])[:-1]
    assert up.difference == pytest.approx(differences.mean())


def test_a_command_without_items_is_not_asked_for_them(tmp_path: Path) -> None:
    written(tmp_path, "command")
    assert rows_of(tmp_path) == []


def test_of_a_metric_that_should_be_low_less_is_better(tmp_path: Path) -> None:
    right = written(tmp_path, better="lower")
    up = rows_of(tmp_path)[0]
    assert up.improved == (np.subtract(right["up-1"], right["baseline-1"]) < 0).sum()


def test_a_loss_over_tokens_is_no_mean_over_items(tmp_path: Path) -> None:
    written(tmp_path, kind="loss")
    assert rows_of(tmp_path) == []


def test_the_page_says_whether_two_models_differ(tmp_path: Path) -> None:
    written(tmp_path)
    params = study(tmp_path, TEST_LOSS, NamedMetric(name="cloze.accuracy", better="higher"))
    # `study` has written the metrics again, without the kind of the evaluation.
    written(tmp_path)
    text = words_of(make(tmp_path, params).page)
    assert "Do these two models differ, item by item?" in text
    assert "up-1 and baseline-1" in text and "they are equal on every item" in text
