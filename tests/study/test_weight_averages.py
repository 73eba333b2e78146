"""Averages of weights in a config: what is valid, what is wrong, and what their jobs depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.study import StudyError, parse_study
from noiseband.study.artefacts import deterministic_artefacts, table_inputs
from noiseband.study.evaluation_params import EvaluationParams
from noiseband.study.params import EvaluateParams, TrainParams
from noiseband.study.table_params import TablesParams
from noiseband.study.weight_averages import averaged_weights
from tests.study.test_trainer import CONFIG

Data = dict[str, Any]
PLAIN = {
    "again": {"loss": {"split": "validation", "batch": 2}, "average": 2},
    "own": {"command": "python eval.py --out {out}", "repeatable": False},
}
KEPT = {"every": 1, "last": 3}
AVERAGES = {"ema": {"decay": 0.9}, "late": {"snapshots": 3}}


def complaints(data: Data, **sections: Any) -> list[str]:
    with pytest.raises(StudyError) as caught:
        parse_study({**data, **sections})
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def kept(study_data: Data) -> Data:
    return {**study_data, "evaluations": PLAIN, "snapshots": KEPT}


def test_without_the_section_nothing_changes(kept: Data) -> None:
    study = parse_study(kept)
    assert "averages" not in TrainParams.of(study, study.runs["again"]).text
    assert "averages" not in TablesParams.of(study).text
    assert not [file for file in deterministic_artefacts(study) if "averages" in file.parts]


def test_only_moving_averages_train_again(kept: Data) -> None:
    studies = [
        parse_study(kept),
        parse_study({**kept, "averages": {"late": AVERAGES["late"]}}),
        parse_study({**kept, "averages": AVERAGES}),
    ]
    texts = [TrainParams.of(one, one.runs["again"]).text for one in studies]
    assert texts[0] == texts[1] != texts[2]
    assert TrainParams.model_validate_json(texts[2]).averages == {"ema": 0.9}
    assert len({one.runs["again"].recipe.digest for one in studies}) == 1


def test_each_is_evaluated_as_a_model(kept: Data) -> None:
    study = parse_study({**kept, "averages": AVERAGES})
    name, folder = "again/averages/ema", Path("results/runs/again/averages/ema")
    assert study.weights_file(name) == folder / "model.safetensors"
    of_run, of_average = (
        EvaluateParams.of(study, study.weights[one]).text for one in ("again", name)
    )
    assert of_run == of_average
    assert EvaluationParams.of(study, name, "again").run == name
    assert averaged_weights(study, "again", "late") == [
        Path("results/runs/again") / file
        for file in (
            "model.safetensors",
            "snapshots/1/model.safetensors",
            "snapshots/2/model.safetensors",
        )
    ]
    artefacts, inputs = deterministic_artefacts(study), table_inputs(study)
    for file in ("model.safetensors", "model.json", "test_loss.json", "test_documents.csv"):
        assert folder / file in artefacts
    assert folder / "evaluations/again.items.parquet" in artefacts
    assert folder / "evaluations/own.json" not in artefacts  # it is not repeatable
    for file in ("test_loss.json", "evaluations/again.json", "evaluations/own.json"):
        assert folder / file in inputs


def test_their_metrics_are_judged_like_those_of_the_runs(kept: Data) -> None:
    declared = {
        "own.speed": {"better": "higher", "margin": 2.0, "volatile": True},
        "seconds": {"better": "lower", "volatile": True},
    }
    data = {**kept, "averages": AVERAGES, "metrics": declared, "margin": 0.5}
    study = parse_study({**data, "primary": "ema.test_loss"})
    found = {one.name: one for one in study.metrics}
    assert next(iter(found)) == "ema.test_loss"
    assert (found["ema.test_loss"].better, found["ema.test_loss"].margin) == ("lower", 0.5)
    speed = found["late.own.speed"]
    assert (speed.better, speed.margin, speed.volatile) == ("higher", 2.0, True)
    assert "late.again.loss" in found
    assert "ema.seconds" not in found  # weights do not decide it
    assert TablesParams.of(study).averages == ["ema", "late"]


def test_what_is_wrong_is_told_with_its_remedy(study_data: Data, kept: Data) -> None:
    assert complaints(study_data, averages={"late": {"snapshots": 3}}) == [
        "averages.late.snapshots: 3: no run keeps snapshots; write snapshots: {every: 50, last: 3} "
        "as well"
    ]
    assert complaints(kept, averages={"late": {"snapshots": 4}}) == [
        "averages.late.snapshots: 4: a run keeps snapshots.last = 3 of them; lower this or raise "
        "that"
    ]
    [told] = complaints(kept, averages={"again": {"decay": 0.9}})
    assert told.startswith("averages.again: is the name of an evaluation too; rename one")
    [told] = complaints(kept, averages={"ema": {}})
    assert "give exactly one of decay and snapshots, not none" in told
    [told] = complaints(kept, averages={"ema": {"decay": 0.9, "snapshots": 2}})
    assert "not both" in told
    [told] = complaints(
        kept, averages=AVERAGES, metrics={"ema.again.loss": {"better": "lower", "margin": 1.0}}
    )
    assert told == (
        "metrics.ema.again.loss: has the direction and the margin of again.loss; declare that "
        "instead"
    )
    [told] = complaints(kept, averages=AVERAGES, primary="ema.test_los")
    assert told.endswith("no such metric; did you mean ema.test_loss?")


def test_a_command_averages_by_itself() -> None:
    told = complaints(CONFIG, averages={"ema": {"decay": 0.9}})
    assert any(one.startswith("averages: only the built-in trainer uses it") for one in told)
