"""Metrics in a config: the primary one, further ones, and mistakes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from noiseband.study.load import parse_study
from noiseband.study.problems import StudyError
from noiseband.study.table_params import TablesParams
from tests.conftest import STUDY

SPEED = {"better": "higher", "unit": "tokens/s", "volatile": True}


def config(**keys: Any) -> dict[str, Any]:
    return copy.deepcopy(STUDY) | keys


def test_a_study_without_metrics_is_judged_by_its_test_loss() -> None:
    params = TablesParams.of(parse_study(config(margin=0.01)))
    assert [(one.name, one.better, one.unit, one.margin) for one in params.judged] == [
        ("test_loss", "lower", "nats", 0.01)
    ]
    assert params.primary.label_with_unit == "test loss, nats"
    assert "metrics" not in params.model_dump()  # as before there were metrics


def test_a_speed_is_a_further_metric() -> None:
    study = parse_study(config(metrics={"tokens_per_second": SPEED}))
    assert [(one.name, one.volatile) for one in study.metrics] == [
        ("test_loss", False),
        ("tokens_per_second", True),
    ]
    again = TablesParams.model_validate_json(TablesParams.of(study).text)
    assert again.judged == study.metrics


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"metrics": {"tokens_per_secnd": SPEED}},
            "metrics.tokens_per_secnd: nothing measures it; did you mean tokens_per_second?",
        ),
        (
            {"metrics": {"seconds": {"better": "lower"}}},
            "metrics.seconds.volatile: false: another execution would give another value; write",
        ),
        (
            {"metrics": {"test_loss": {"better": "lower"}}},
            "metrics.test_loss: is always measured, and lower is better; write `margin` at the top",
        ),
        ({"metrics": {"seconds": {"better": "less"}}}, "metrics.seconds.better"),
        ({"metrics": {"seconds": {**SPEED, "margin": 0}}}, "metrics.seconds.margin: 0: "),
        ({"metrics": {"a b": SPEED}}, 'metrics: "a b": should consist of letters'),
        (
            {"metrics": {"tokens_per_second": SPEED}, "primary": "tokens_per_second"},
            'primary: "tokens_per_second": is volatile; choose another metric',
        ),
        ({"primary": "tset_loss"}, "no such metric; did you mean test_loss?"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as error:
        parse_study(config(**keys))
    assert message in str(error.value)


CLOZE = {"choice": {"file": "cloze.jsonl"}}
MINE = {"command": "python eval.py --out {out}", "repeatable": False}


def test_what_evaluations_are_sure_to_give_is_judged() -> None:
    study = parse_study(config(evaluations={"cloze": CLOZE}, primary="cloze.accuracy"))
    assert [(one.name, one.better) for one in study.metrics] == [
        ("cloze.accuracy", "higher"),
        ("test_loss", "lower"),
        ("cloze.loss", "lower"),
    ]
    assert TablesParams.of(study).evaluations == ["cloze"]


def test_what_a_command_gives_is_judged_if_it_is_declared() -> None:
    passed = {"better": "higher", "margin": 0.5, "volatile": True}
    study = parse_study(config(evaluations={"mine": MINE}, metrics={"mine.passed": passed}))
    assert [(one.name, one.margin) for one in study.metrics[1:]] == [("mine.passed", 0.5)]
    assert TablesParams.of(study).volatile_evaluations == ["mine"]
    always = {"mine": {"command": MINE["command"]}}
    with pytest.raises(StudyError, match=r"volatile: true: write `repeatable: false` in"):
        parse_study(config(evaluations=always, metrics={"mine.passed": passed}))
    steady = {"mine.passed": {"better": "higher"}}
    with pytest.raises(StudyError, match=r"metrics\.mine\.passed\.volatile: false: another"):
        parse_study(config(evaluations={"mine": MINE}, metrics=steady))
