"""Two questions about the test set, computed by hand from the files of a small study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from noiseband.analysis.rows import DocumentsRow, VerdictRow
from noiseband.analysis.tables import write_tables
from noiseband.errors import UserError
from noiseband.evaluate.documents import DocumentLoss
from noiseband.io.tables import read_rows, write_rows
from noiseband.stats.verdicts import Call
from tests.fake_runs import FakeRun
from tests.small_study import write_study

CLIP = {"optimizer.clip_norm": [None, 0.5]}
BASELINES = [FakeRun(f"baseline-{seed}", 5.0 + seed / 10, seeds=(seed, seed)) for seed in (1, 2)]
LOWER = [
    FakeRun(f"a-{seed}", 4.7 + seed / 10 + seed / 1000, "a", ["a"], (seed, seed), CLIP)
    for seed in (1, 2)
]


def write_documents(results: Path, run: str, means: Sequence[float]) -> None:
    rows = [DocumentLoss(n, 100, 100 * mean) for n, mean in enumerate(means)]
    write_rows(results / "runs" / run / "test_documents.csv", DocumentLoss, rows)


def tables(results: Path, runs: Sequence[FakeRun], **documents: Sequence[float]) -> Path:
    """The study's tables, with these losses of documents; the names of runs have underscores."""
    params = write_study(results, runs, steps=40, models=[], noise={})
    for run, means in documents.items():
        write_documents(results, run.replace("_", "-"), means)
    write_tables(params, results)
    return results / "tables"


def rows_of(folder: Path) -> list[DocumentsRow]:
    return read_rows(folder / "documents.csv", DocumentsRow)


def test_both_questions_by_hand(tmp_path: Path) -> None:
    folder = tables(
        tmp_path,
        [*BASELINES, *LOWER],
        baseline_1=[5.0, 5.2, 5.0, 5.2],
        baseline_2=[5.1, 5.3, 5.1, 5.3],
        a_1=[4.2, 5.4, 4.7, 4.9],
        a_2=[4.3, 5.5, 4.9, 4.9],
    )
    (row,) = rows_of(folder)
    (verdict,) = read_rows(folder / "verdicts.csv", VerdictRow)
    # Documents of one length, so both are t-tests with three degrees of freedom.
    first, second = np.array([-0.8, 0.2, -0.3, -0.3]), np.array([-0.8, 0.2, -0.2, -0.4])
    models = stats.ttest_1samp(first, 0.0)
    low, high = models.confidence_interval(0.95)
    assert (row.run, row.compared_with) == ("a-1", "baseline-1")
    assert row.difference == pytest.approx(-0.3)
    assert row.difference_se == pytest.approx(first.std(ddof=1) / 2)
    assert (row.difference_low, row.difference_high) == pytest.approx((low, high))
    # Each document's mean over seeds, and what the two seeds disagree about.
    mean = ((first + second) / 2).var(ddof=1) / 4
    chance = (first - second).var(ddof=1) / 4 / 4
    assert row.texts_se == pytest.approx((mean - chance) ** 0.5)
    assert row.effect == verdict.effect
    assert verdict.smallest_visible is not None and verdict.effect is not None
    texts = float(stats.t.isf(0.025, 3)) * row.texts_se
    both = (verdict.smallest_visible**2 + texts**2) ** 0.5
    assert (row.low, row.high) == pytest.approx((verdict.effect - both, verdict.effect + both))
    assert (row.documents, row.tokens) == (4, 400)
    needed = 400 * (texts / verdict.smallest_visible) ** 2 / (1.05**2 - 1)
    assert row.tokens_needed == int(np.ceil(needed))
    # The seeds agree to a thousandth, the documents do not.
    assert (verdict.verdict, row.verdict) == (Call.HELPS, Call.WITHIN_NOISE)


def test_intervals_of_several_changes_are_wider(tmp_path: Path) -> None:
    documents = {
        "baseline_1": [5.0, 5.2, 5.0, 5.2],
        "baseline_2": [5.1, 5.3, 5.1, 5.3],
        "a_1": [4.6, 5.0, 4.7, 4.9],
        "a_2": [4.7, 5.1, 4.9, 4.9],
    }
    other = [replace(run, name=run.name.replace("a-", "b-"), intervention="b") for run in LOWER]
    (alone,) = rows_of(tables(tmp_path / "one", [*BASELINES, *LOWER], **documents))
    runs = [*BASELINES, *LOWER, *(replace(run, test_loss=4.9) for run in other)]
    two = rows_of(tables(tmp_path / "two", runs, **documents, b_1=[4.9] * 4, b_2=[4.9] * 4))
    widths = [row.difference_high - row.difference_low for row in (alone, two[0])]
    adjusted = 1 - 0.95**0.5
    ratio = float(stats.t.isf(adjusted / 2, 3) / stats.t.isf(0.025, 3))
    assert widths[1] / widths[0] == pytest.approx(ratio)


def test_an_arm_on_seeds_of_its_own_is_compared_by_means(tmp_path: Path) -> None:
    apart = [replace(run, seeds=(9, 9)) for run in LOWER[:1]]
    (row,) = rows_of(
        tables(
            tmp_path,
            [*BASELINES, *apart],
            baseline_1=[5.0, 5.2, 5.0, 5.2],
            baseline_2=[5.2, 5.2, 5.2, 5.2],
            a_1=[4.6, 5.0, 4.7, 4.9],
        )
    )
    assert (row.run, row.compared_with) == ("a-1", "baseline-1")
    means = np.array([4.6, 5.0, 4.7, 4.9]) - np.array([5.1, 5.2, 5.1, 5.2])
    chance = np.array([0.2, 0.0, 0.2, 0.0]).var(ddof=1) / 4 / 4
    assert row.texts_se == pytest.approx((means.var(ddof=1) / 4 - chance) ** 0.5)


def test_losses_without_documents_have_no_row(tmp_path: Path) -> None:
    params = write_study(tmp_path, [*BASELINES, *LOWER], steps=40, models=[], noise={})
    for file in tmp_path.glob("runs/*/test_documents.csv"):
        file.unlink()
    write_tables(params, tmp_path)
    assert rows_of(tmp_path / "tables") == []
    write_documents(tmp_path, "a-1", [4.6, 5.0, 4.7, 4.9])
    write_tables(params, tmp_path)
    assert rows_of(tmp_path / "tables") == [], "the baseline has none"


def test_runs_on_other_documents_have_no_row(tmp_path: Path) -> None:
    three = {"baseline_1": [5.0, 5.2, 5.1], "baseline_2": [5.1, 5.3, 5.1], "a_1": [4.6, 5.0, 4.7]}
    runs = [*BASELINES, LOWER[0], FakeRun("b-1", 4.8, "b", ["b"], (1, 1), CLIP)]
    rows = rows_of(tables(tmp_path, runs, **three, b_1=[4.8, 4.8]))
    assert [row.intervention for row in rows] == ["a"]
    one = {name: means[:1] for name, means in three.items()}
    assert rows_of(tables(tmp_path / "one", [*BASELINES, LOWER[0]], **one)) == []


def test_a_change_with_a_diverged_run_cannot_help_on_other_texts(tmp_path: Path) -> None:
    close = [[5.0, 5.2, 5.0, 5.2], [5.1, 5.3, 5.1, 5.3]]
    lower = [[mean - 0.3 for mean in means] for means in close]
    lost = FakeRun("a-3", float("nan"), "a", ["a"], (3, 3), CLIP)
    documents = dict(zip(("baseline_1", "baseline_2", "a_1", "a_2"), close + lower, strict=True))
    (row,) = rows_of(tables(tmp_path, [*BASELINES, *LOWER, lost], **documents))
    assert row.high is not None and row.high < 0
    assert row.verdict == Call.NOT_ENOUGH_RUNS


def test_a_single_run_of_each_answers_the_first_question_alone(tmp_path: Path) -> None:
    runs = [BASELINES[0], LOWER[0]]
    means = {"baseline_1": [5.0, 5.2, 5.0, 5.2], "a_1": [4.6, 5.0, 4.7, 4.9]}
    (row,) = rows_of(tables(tmp_path, runs, **means))
    assert row.difference_high < 0
    assert (row.low, row.high, row.tokens_needed) == (None, None, None)
    assert row.verdict == Call.NOT_ENOUGH_RUNS


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    params = write_study(tmp_path, [*BASELINES, *LOWER], steps=40, models=[], noise={})
    (tmp_path / "runs/a-1/test_documents.csv").write_text("document,tokens,nats\n0,100,1.0\n")
    with pytest.raises(UserError, match=r"runs/a-1/test_documents\.csv"):
        write_tables(params, tmp_path)
