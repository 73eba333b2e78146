"""Pretrained models on the page: next to the runs, in no verdict, with the gap to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from noiseband.analysis.rows import GapRow, PretrainedRow, RunRow
from noiseband.analysis.tables import write_tables
from noiseband.analysis.tuning_rows import FinetuningRow
from noiseband.io.tables import read_rows
from noiseband.report.figures.write import write_figures
from noiseband.stats.gap import NoInterval
from tests.fake_runs import FakeRun
from tests.page_tables import page_table, row_of
from tests.pages import Made, make
from tests.report.test_page import words_of
from tests.report.test_sanitize import Tags
from tests.small_study import sha, write_study

# The published series: seed 42's baseline and its best stack, and GPT-2 small.
SERIES = [
    FakeRun("baseline-42", 3.691526),
    FakeRun("best-42", 3.577761, "best", ["best"], difference={"model.dropout": [0.1, 0.0]}),
]
SMALL, MEDIUM, POOR = 3.499677, 3.231442, 3.8
PRETRAINED = {"small": SMALL, "medium": MEDIUM, "poor": POOR}


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Made:
    results = tmp_path_factory.mktemp("beside") / "results"
    return make(results, write_study(results, SERIES, steps=20, noise={}, pretrained=PRETRAINED))


def test_the_table_of_models(beside: Made) -> None:
    rows = read_rows(beside.results / "tables/pretrained.csv", PretrainedRow)
    assert [(row.model, row.test_loss) for row in rows] == list(PRETRAINED.items())
    first = rows[0]
    assert first.improvement == 3.691526 - SMALL
    assert (first.repo, first.revision, first.bits_per_byte) == ("some/small", "0" * 40, 1.25)
    assert (first.file_sha256, first.weights_sha256) == (
        sha("file of small"), sha("weights of small"),
    )  # fmt: skip


def test_verdicts_do_not_know_them(beside: Made, tmp_path: Path) -> None:
    alone = write_study(tmp_path, SERIES, steps=20, noise={}, models=[])
    write_tables(alone, tmp_path)
    for name in ("runs", "verdicts", "noise", "stacks"):
        file = f"tables/{name}.csv"
        assert (beside.results / file).read_bytes() == (tmp_path / file).read_bytes()
    assert len(read_rows(beside.results / "tables/runs.csv", RunRow)) == len(SERIES)
    assert read_rows(tmp_path / "tables/gaps.csv", GapRow) == []


def test_the_share_of_the_gap_is_the_published_one(beside: Made) -> None:
    rows = read_rows(beside.results / "tables/gaps.csv", GapRow)
    assert [(row.reference, row.intervention) for row in rows] == [
        ("small", "best"), ("medium", "best"),
    ]  # fmt: skip
    assert rows[0].share == pytest.approx(0.593, abs=5e-4)  # printed as 60%
    assert rows[1].share == pytest.approx((3.691526 - 3.577761) / (3.691526 - MEDIUM))
    assert (rows[0].low, rows[0].high) == (None, None)
    assert rows[0].no_interval == NoInterval.NOT_ENOUGH_RUNS  # one run of each


def test_an_interval_of_a_share_contains_the_uncertainty_of_the_gap(tmp_path: Path) -> None:
    runs = [
        FakeRun("baseline-1", 4.00, seeds=(1, 1)),
        FakeRun("baseline-2", 4.02, seeds=(2, 2)),
        FakeRun("baseline-3", 4.04, seeds=(3, 3)),
        FakeRun("a-4", 3.9, "a", ["a"], (4, 4), {"model.dropout": [0.1, 0.0]}),
    ]
    near = {"far": 3.02, "near": 4.0}
    made = make(
        tmp_path, write_study(tmp_path, runs, steps=20, models=[], noise={}, pretrained=near)
    )
    far, close = read_rows(tmp_path / "tables/gaps.csv", GapRow)
    assert far.baseline_loss == pytest.approx(4.02)
    assert far.share == pytest.approx(0.12)
    # Fieller's formula: means of three runs and of one, an SD of 0.02, two degrees of freedom.
    t2 = stats.t.isf(0.025, 2) ** 2
    a, b, c = 1 - t2 * 0.0004 / 3, 0.12 - t2 * 0.0004 / 3, 0.12**2 - t2 * 0.0004 * 4 / 3
    root = (b**2 - a * c) ** 0.5
    assert (far.low, far.high) == pytest.approx(((b - root) / a, (b + root) / a))
    # A gap of 0.02 nats could be zero.
    assert close.share == pytest.approx(6.0)
    assert (close.low, close.high) == (None, None)
    assert close.no_interval == NoInterval.UNCLEAR_GAP
    ((_, *shown),) = [row.values() for row in page_table(made.page, "gaps-caption")]
    assert shown == ["12% 2% to 21%", "600% the gap is not clearly different from zero"]


def test_a_study_whose_baseline_has_no_loss_has_no_gaps(tmp_path: Path) -> None:
    runs = [FakeRun("baseline-1", None), SERIES[1]]
    params = write_study(tmp_path, runs, steps=20, models=[], noise={}, pretrained=PRETRAINED)
    write_tables(params, tmp_path)
    assert read_rows(tmp_path / "tables/gaps.csv", GapRow) == []
    rows = read_rows(tmp_path / "tables/pretrained.csv", PretrainedRow)
    assert [row.improvement for row in rows] == [None] * 3
    assert "no better than the baseline" not in words_of(make(tmp_path, params).page)


def test_they_are_ranked_with_the_runs(beside: Made) -> None:
    rows = read_rows(beside.results / "tables/finetuning.csv", FinetuningRow)
    assert [row.run for row in rows] == ["baseline-42", "best-42", *PRETRAINED]
    assert [row.test_loss for row in rows][2:] == list(PRETRAINED.values())
    assert all(row.rank for row in rows)
    write_figures(beside.params, beside.results)
    chart = (beside.results / "figures/finetuning.svg").read_text()
    assert "medium, seed 42: score" in chart


def test_the_page_shows_them_apart(beside: Made) -> None:
    tags = Tags(beside.page)
    assert (tags.open, tags.unbalanced) == ([], [])
    text = words_of(beside.page)
    row = row_of(beside.page, "runs-caption", "small")
    assert row["Run"] == "small some/small"
    assert (row["Test loss"], row["Improvement"]) == ("3.499677", "+0.191849")
    assert (row["Bits per byte"], row["Verdict"]) == ("1.2500", "pretrained")
    assert "small: 124,439,808 parameters, some/small at" in text
    assert "poor: 124,439,808 parameters" in text
    assert text.count("It is no better than the baseline") == 1
    ((_, *shares),) = [row.values() for row in page_table(beside.page, "gaps-caption")]
    assert shares == ["59% not enough runs", "25% not enough runs"]
    assert row_of(beside.page, "finetuning-caption", "small")["Run"] == "small pretrained"


def test_a_study_without_any_says_nothing(made: Made) -> None:
    text = words_of(made.page)
    assert "retrained model" not in text
    assert "gaps.csv" not in made.page
