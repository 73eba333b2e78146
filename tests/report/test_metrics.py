"""The page of a study with several metrics."""

from __future__ import annotations

from pathlib import Path

from tests.metrics_study import CLOZE, RATE, TEST_LOSS, study
from tests.pages import make
from tests.report.test_page import words_of


def test_each_metric_has_a_column_and_a_panel(tmp_path: Path) -> None:
    made = make(tmp_path, study(tmp_path, TEST_LOSS, CLOZE, RATE))
    text = words_of(made.page)
    section = text[text.index("Each metric is a family") :]
    assert "3 metrics give 3 chances of a false alarm" in section
    assert "test loss, nats (primary)" in section
    assert "tokens per second, tokens/s (volatile)" in section
    chart = (tmp_path / "figures/metrics.svg").read_text(encoding="utf-8")
    assert "<title>up: helps, +0.10" in chart and "higher is better" in chart
    fast = (tmp_path / "figures/volatile-metrics.svg").read_text(encoding="utf-8")
    assert "<title>same: helps, +51" in fast


def test_a_primary_metric_of_which_more_is_better(tmp_path: Path) -> None:
    made = make(tmp_path, study(tmp_path, CLOZE, TEST_LOSS))
    text = words_of(made.page)
    assert "up raises the cloze.accuracy by 0.10" in text
    assert "Effects are changes of the cloze.accuracy, so positive is better." in text
    chart = (tmp_path / "figures/effects.svg").read_text(encoding="utf-8")
    assert "higher: better" in chart and "Change of the cloze.accuracy" in chart


def test_a_study_with_one_metric_has_no_section_of_metrics(tmp_path: Path) -> None:
    made = make(tmp_path, study(tmp_path))
    assert 'id="metrics"' not in made.page and 'href="#metrics"' not in made.page
