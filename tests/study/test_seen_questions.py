"""The jobs that count seen questions: which models share one, and the text that it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noiseband.study import parse_study
from noiseband.study.artefacts import deterministic_artefacts, table_inputs
from noiseband.study.contamination import Segment, contaminations
from noiseband.study.data_params import InstructionsParams
from noiseband.study.seen_questions import (
    SeenQuestionsParams,
    questioned_models,
    seen_questions,
)
from noiseband.study.table_params import TablesParams

Data = dict[str, Any]
ROWS: Data = {"kind": "factbook", "package": "p", "version": "1.0", "rows": 40}
PROTOCOL: Data = {"instructions": "facts", "epochs": 1, "patience": None, "dropout": 0.0}


@pytest.fixture
def tuned(study_data: Data) -> Data:
    """The small study, with every run fine-tuned by two protocols on one set of rows."""
    study_data["finetuning"] = {
        "instructions": {"facts": ROWS, "more": ROWS},
        "protocols": {"one": {**PROTOCOL}, "two": {**PROTOCOL, "epochs": 2}},
    }
    return study_data


def test_models_with_the_same_rows_and_text_share_a_job(tuned: Data) -> None:
    tuned["interventions"]["more"] = {"data.train_tokens": 2000}
    tuned["runs"] += [
        {"name": "later", "continues": "baseline-42", "start_token": 9000},
        {"name": "next", "continues": "baseline-42"},
    ]
    study = parse_study(tuned)
    runs = questioned_models(study)
    assert runs.keys() == seen_questions(study).keys()
    first, longer, later = runs
    assert first == "questions~facts~text-0-1025"
    assert len(runs[first]) == len(study.distinct) - 3
    # A run that goes on where another stopped has read what a longer one has.
    assert (longer, runs[longer]) == ("questions~facts~text-0-2049", ["more-42", "next"])
    assert (later, runs[later]) == ("questions~facts~text-0-1025~text-9000-10025", ["later"])
    assert TablesParams.of(study).seen_questions == runs
    files = {study.paths.seen_questions(name) for name in runs}
    assert files <= {*deterministic_artefacts(study)} & {*table_inputs(study)}


def test_each_set_of_rows_has_its_own_job(tuned: Data) -> None:
    tuned["finetuning"]["protocols"]["two"]["instructions"] = "more"
    tuned["finetuning"]["runs"] = ["clip-42"]
    assert questioned_models(parse_study(tuned)) == {
        "questions~facts~text-0-1025": ["clip-42"],
        "questions~more~text-0-1025": ["clip-42"],
    }


def test_of_models_that_others_trained_only_the_rows_are_compared(tuned: Data) -> None:
    shape = {**tuned["recipe"]["model"], "qkv_bias": True, "tied": True}
    tuned["pretrained"] = {"theirs": {"path": "theirs", "model": shape}}
    tuned["finetuning"]["runs"] = ["theirs", "clip-42"]
    study = parse_study(tuned)
    assert questioned_models(study)["questions~facts"] == ["theirs"]
    assert seen_questions(study)["questions~facts"] == SeenQuestionsParams(
        instructions="facts", training=[]
    )


def test_other_corpora_are_read_too(tuned: Data) -> None:
    text = tuned["corpora"]["text"]
    own = {"like": "text"}
    tuned["corpora"]["cut"] = {**text, "test": 0.04, "validation": 0.04, "tokenizer": own}
    tuned["interventions"]["cut"] = {"data.corpus": "cut"}
    tuned["runs"].append({"name": "extended", "continues": "baseline-42", "interventions": ["cut"]})
    tuned["finetuning"]["runs"] = ["extended"]
    (params,) = seen_questions(parse_study(tuned)).values()
    assert params.training == [
        Segment(corpus="cut", first=0, stop=1025),
        Segment(corpus="text", first=0, stop=1025),
    ]


def test_a_study_that_fine_tunes_nothing_has_no_job(study_data: Data) -> None:
    study = parse_study(study_data)
    assert seen_questions(study) == {}
    assert "seen_questions" not in TablesParams.of(study).text


def test_no_job_has_the_name_of_a_test_windows(tuned: Data) -> None:
    """Even if a corpus is called `questions`, and a set of rows like a segment."""
    tuned["corpora"] = {"questions": tuned["corpora"]["text"]}
    tuned["recipe"]["data"]["corpus"] = "questions"
    finetuning = tuned["finetuning"]
    finetuning["instructions"] = {"questions-0-1025": ROWS}
    for protocol in finetuning["protocols"].values():
        protocol["instructions"] = "questions-0-1025"
    study = parse_study(tuned)
    assert seen_questions(study).keys().isdisjoint(contaminations(study))


def test_rows_that_are_kept_are_the_job_that_they_were(tuned: Data) -> None:
    """A study from before there was `seen_questions` collects no rows again."""
    tuned["finetuning"]["instructions"]["facts"] = ROWS
    kept = InstructionsParams.of(parse_study(tuned), "facts").text
    assert json.loads(kept) == {
        "instructions": {**ROWS, "train": 0.85, "test": 0.1, "validation": None}
    }
    tuned["finetuning"]["instructions"]["facts"] = {**ROWS, "seen_questions": "keep"}
    assert InstructionsParams.of(parse_study(tuned), "facts").text == kept
    tuned["finetuning"]["instructions"]["facts"] = {**ROWS, "seen_questions": "drop"}
    dropped = InstructionsParams.of(parse_study(tuned), "facts").text
    assert json.loads(dropped)["instructions"]["seen_questions"] == "drop"
