"""Snapshots in a config: what is valid, what is wrong, and what their jobs depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.study import StudyError, parse_study
from noiseband.study.artefacts import deterministic_artefacts, table_inputs
from noiseband.study.averages import Snapshots, averaged_over
from noiseband.study.evaluation_params import EvaluationParams
from noiseband.study.params import TrainParams
from tests.study.test_trainer import CONFIG

Data = dict[str, Any]
PLAIN = {"again": {"loss": {"split": "validation", "batch": 2}}}
AVERAGED = {"again": {**PLAIN["again"], "average": 2}}
KEPT = {"every": 1, "last": 3}


def complaints(data: Data, **sections: Any) -> list[str]:
    with pytest.raises(StudyError) as caught:
        parse_study({**data, **sections})
    return [str(problem) for problem in caught.value.problems]


def test_snapshots_are_counted_from_the_end() -> None:
    assert Snapshots(every=50, last=4).numbers(170) == {20: 3, 70: 2, 120: 1}


def test_without_the_section_nothing_changes(study_data: Data) -> None:
    study = parse_study({**study_data, "evaluations": PLAIN})
    assert study.weights == study.models
    assert "snapshots" not in TrainParams.of(study, study.runs["again"]).text
    assert "average" not in EvaluationParams.of(study, "again", "again").text
    assert not [file for file in deterministic_artefacts(study) if "snapshots" in file.parts]


def test_snapshots_train_again_and_averages_do_not(study_data: Data) -> None:
    plain = parse_study({**study_data, "evaluations": PLAIN})
    kept = parse_study({**study_data, "evaluations": PLAIN, "snapshots": KEPT})
    averaged = parse_study({**study_data, "evaluations": AVERAGED, "snapshots": KEPT})
    texts = [TrainParams.of(one, one.runs["again"]).text for one in (plain, kept, averaged)]
    assert texts[0] != texts[1] == texts[2]
    recipes = [one.runs["again"].recipe.digest for one in (plain, kept, averaged)]
    assert len(set(recipes)) == 1
    each = [EvaluationParams.of(one, "again", "again").text for one in (kept, averaged)]
    assert each[0] == each[1]


def test_each_snapshot_is_evaluated_as_a_model(study_data: Data) -> None:
    study = parse_study({**study_data, "evaluations": AVERAGED, "snapshots": KEPT})
    names = averaged_over(study, "again", "again")
    assert names == ["again/snapshots/0", "again/snapshots/1"]
    assert [study.weights_file(name) for name in names] == [
        Path("results/runs/again/model.safetensors"),
        Path("results/runs/again/snapshots/1/model.safetensors"),
    ]
    params = EvaluationParams.of(study, names[1], "again")
    assert (
        params.run == names[1]
        and params.model == EvaluationParams.of(study, "again", "again").model
    )
    artefacts = deterministic_artefacts(study)
    assert study.paths.snapshot("again", 2) / "model.safetensors" in artefacts
    assert study.paths.evaluation_items(names[1], "again") in artefacts
    assert study.paths.evaluation("again", "again") in table_inputs(study)
    assert study.paths.evaluation(names[1], "again") not in table_inputs(study)


def test_what_is_wrong_is_told_with_its_remedy(study_data: Data) -> None:
    assert complaints(study_data, evaluations=AVERAGED) == [
        "evaluations.again.average: 2: no run keeps snapshots; write snapshots: {every: 50, last: "
        "2} as well"
    ]
    many = {"again": {**PLAIN["again"], "average": 4}}
    assert complaints(study_data, evaluations=many, snapshots=KEPT) == [
        "evaluations.again.average: 4: a run keeps snapshots.last = 3 of them; lower this or raise "
        "that"
    ]
    [told] = complaints(study_data, snapshots={"every": 500, "last": 3})
    assert told.startswith("snapshots.every: 500: the first of 3 snapshots is 1,000 steps before ")
    assert "take fewer or closer ones" in told
    [told] = complaints(study_data, snapshots=KEPT, evaluations={"snapshots": PLAIN["again"]})
    assert told == (
        "evaluations.snapshots: with `snapshots`, noiseband uses this name itself; choose another"
    )


def test_a_command_averages_by_itself() -> None:
    told = complaints(CONFIG, snapshots=KEPT)
    assert any(
        one.startswith("snapshots: only the built-in trainer uses it")
        and one.endswith("have the command average over its own checkpoints")
        for one in told
    )
    command = {"command": "python eval.py --model {model} --out {out}", "average": 2}
    told = complaints(CONFIG, evaluations={"mine": command})
    assert any(one.startswith("evaluations.mine.average: 2: averages over snap") for one in told)
