"""What a study needs of its data follows from its runs, windows and protocols."""

from __future__ import annotations

from typing import Any

from noiseband.study.data_needs import DataNeeds
from noiseband.study.load import parse_study

Data = dict[str, Any]
FINETUNING = {
    "instructions": {"rows": {"kind": "file", "path": "rows.jsonl"}},
    "protocols": {"all": {"instructions": "rows", "epochs": 1, "patience": None, "dropout": 0.0}},
    "runs": ["baseline-42", "short-42"],
}


def test_of_runs_that_read_equally_far_the_first_is_named(study_data: Data) -> None:
    study_data["interventions"]["short"] = {"model.context": 8, "batch.sequences": 4}
    study = parse_study({**study_data, "finetuning": FINETUNING})
    needs = DataNeeds.of(study, "text")
    farthest = max(run.built_in.last_token for run in study.runs.values())
    assert (needs.reading[-1].last_token, needs.reading[-1].run) == (farthest, "baseline-42")
    assert len({one.last_token for one in needs.reading}) == len(needs.reading)
    assert [(one.context, one.model) for one in needs.windows] == [
        (8, "short-42"),
        (16, "baseline-42"),
    ]
    (prompts,) = needs.prompts
    assert (prompts.context, prompts.model, prompts.rows) == (8, "short-42", "rows")
    assert needs.rows == ["rows"]


def test_a_corpus_that_is_only_tested_on_is_not_read(study_data: Data) -> None:
    study_data["corpora"]["other"] = study_data["corpora"]["text"]
    study_data["evaluation"] = {"corpus": "other"}
    study = parse_study({**study_data, "finetuning": FINETUNING | {"runs": ["baseline-42"]}})
    read, tested = DataNeeds.of(study, "text"), DataNeeds.of(study, "other")
    assert read.reading and not read.windows and not read.prompts
    assert tested.windows and tested.prompts and not tested.reading
