"""The page's answers to two questions about the test set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noiseband.analysis.rows import Call, DocumentsRow
from noiseband.io.tables import read_rows
from noiseband.report import words
from tests.fake_runs import BASELINES, CLIPPING, FakeRun
from tests.page_tables import page_table, row_of
from tests.pages import Made, make
from tests.small_study import write_study

ROW = DocumentsRow(
    intervention="a", run="a-42", compared_with="baseline-42", difference=-0.1, difference_se=0.01,
    difference_low=-0.12, difference_high=-0.08, effect=-0.09, texts_se=0.01, low=-0.2, high=0.02,
    verdict=Call.WITHIN_NOISE, documents=80, tokens=8_000, tokens_needed=123_456,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "yes, the first has a lower loss"),
        ({"difference": 0.1, "difference_low": 0.08, "difference_high": 0.12},
         "yes, the first has a higher loss"),
        ({"difference_high": 0.001}, "not shown"),
        ({"difference": 0.0, "difference_se": 0.0, "difference_low": 0.0, "difference_high": 0.0},
         "no, they are equal on every document"),
    ],
)  # fmt: skip
def test_whether_two_models_differ(changes: dict[str, Any], expected: str) -> None:
    assert words.differ(replace(ROW, **changes)) == expected


@pytest.mark.parametrize(
    ("needed", "expected"),
    [(None, "–"), (8_000, "enough"), (8_001, "8,100"), (123_456, "130,000"), (99_001, "100,000")],
)
def test_tokens_are_rounded_up_to_two_digits(needed: int | None, expected: str) -> None:
    assert words.test_tokens(replace(ROW, tokens_needed=needed)) == expected


def test_differences_have_the_digits_of_their_own_errors() -> None:
    rows = [replace(ROW, difference_se=error) for error in (0.02, 0.0012, 0.0)]
    assert words.difference_decimals(rows) == 4
    assert words.difference_decimals([ROW]) == 3
    assert words.difference_decimals(rows[2:]) == words.decimals_of(None)


def test_both_questions_have_an_answer_for_each_change(made: Made) -> None:
    rows = page_table(made.page, "documents-caption")
    tables = made.results / "tables"
    found = read_rows(tables / "documents.csv", DocumentsRow)
    assert [row["Intervention"] for row in rows] == [row.intervention for row in found]
    row = row_of(made.page, "documents-caption", "remove-dropout")
    assert row["Do these two models differ?"] == (
        "yes, the first has a lower loss remove-dropout-42 and baseline-42"
    )
    assert row["Does the recipe help?"] == "helps"
    one = next(row for row in found if row.intervention == "remove-dropout")
    shown = [words.signed(x, 4) for x in (one.effect, one.low, one.high)]
    assert row["Effect"] == f"{shown[0]} {shown[1]} to {shown[2]}"
    assert "80 documents and 8,000 tokens" in made.page
    verdict = row_of(made.page, "verdicts-caption", "gradient-clipping")["Verdict"]
    help_ = row_of(made.page, "documents-caption", "gradient-clipping")["Does the recipe help?"]
    assert (verdict, help_) == ("helps", "within noise")


def test_losses_without_documents_ask_no_questions(tmp_path: Path) -> None:
    runs = [*BASELINES, FakeRun("clip-42", 4.7, "clip", ["clip"], (42, 42), CLIPPING)]
    params = write_study(tmp_path, runs, steps=20, models=[])
    for file in tmp_path.glob("runs/*/test_documents.csv"):
        file.unlink()
    page = make(tmp_path, params).page
    assert "verdicts-caption" in page
    assert "documents-caption" not in page
    assert "Do these two models differ?" not in page
