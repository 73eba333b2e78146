"""Test questions that the models saw before, next to their scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from noiseband.analysis.tuning_rows import SeenQuestionsRow
from noiseband.io.files import write_json
from noiseband.io.tables import read_rows
from tests.fake_runs import BASELINES
from tests.page_tables import page_table
from tests.pages import make
from tests.report.test_page import words_of
from tests.small_study import SEEN, SEEN_BY_OTHERS, write_study

MODELS = ["baseline-42/alpaca/42", "baseline-22/alpaca/42", "theirs/alpaca/42"]


def shown(results: Path, **seen: Any) -> str:
    """The page of a study of three models, after a change of what is counted for `test`."""
    params = write_study(
        results, BASELINES[:2], steps=20, models=MODELS, pretrained={"theirs": 4.0}, noise={}
    )
    for name in (SEEN, SEEN_BY_OTHERS):
        file = results / "contamination" / f"{name}.json"
        found = json.loads(file.read_text())
        own = {k: v for k, v in seen.items() if name == SEEN or k != "rows_in_text"}
        found["splits"]["test"] |= own
        write_json(file, found)
    return make(results, params).page


def test_the_table_says_what_was_counted(tmp_path: Path) -> None:
    page = shown(tmp_path, in_train_exactly=1, rows_in_train=[9, 10, 12], rows_in_text=[11])
    rows = read_rows(tmp_path / "tables" / "seen-questions.csv", SeenQuestionsRow)
    theirs, _, ours, validation = rows
    assert (ours.split, ours.runs) == ("test", ("baseline-42", "baseline-22"))
    assert (ours.questions, ours.in_train, ours.in_train_exactly) == (4, 3, 1)
    assert (ours.in_text, ours.too_short, ours.shortest) == (1, 1, 4)
    assert (theirs.runs, theirs.trained_on, theirs.in_text) == (("theirs",), (), None)
    assert (validation.split, validation.questions, validation.in_train) == ("validation", 2, 0)
    table = page_table(page, "seen-questions-caption")
    assert table[2] == {
        "Rows": "alpaca", "Split": "test", "Trained on, tokens": "pocket:0-409601",
        "Models": "baseline-42 baseline-22", "Questions": "4", "In training rows": "3",
        "Of these exactly": "1", "In training text": "1", "Too short to look for": "1",
    }  # fmt: skip
    assert table[0]["Trained on, tokens"] == "not known: others trained it"
    assert (table[0]["In training text"], table[0]["Too short to look for"]) == ("–", "–")


def test_a_sentence_at_the_scores_says_that_test_questions_were_seen(tmp_path: Path) -> None:
    text = words_of(shown(tmp_path, rows_in_train=[9, 10, 12], rows_in_text=[11]))
    scores = text[text.index("Fine-tuned models.") : text.index("Fine-tuning is noise too")]
    assert (
        "alpaca: 3 of 4 test questions are also in the rows that the models were fine-tuned on, so "
        "scores are partly about memory. seen_questions: drop in the config leaves those rows out."
    ) in scores
    assert (
        "alpaca: 1 of 4 test questions is in the text that 2 models were trained on before."
    ) in scores


def test_no_sentence_is_needed_if_none_was(tmp_path: Path) -> None:
    text = words_of(shown(tmp_path))
    assert "Questions that the models saw before" in text
    assert "test questions are" not in text
    assert "seen_questions: drop" not in text
