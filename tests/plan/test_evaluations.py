"""The time of further evaluations, from finished jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.plan.evaluations import EvaluationPlan, plan_evaluations
from noiseband.study import Study, parse_study

WORDS = {"command": "python count.py {model} {out}"}


@pytest.fixture
def study(study_data: dict[str, Any], tmp_path: Path) -> Study:
    """A study of six runs with three evaluations, one of them averaged over three snapshots."""
    study_data["results"] = str(tmp_path / "results")
    study_data["snapshots"] = {"every": 2, "last": 3}
    study_data["evaluations"] = {
        "words": WORDS,
        "late": {"loss": {"batch": 2}, "average": 3},
        "new": WORDS,
    }
    return parse_study(study_data)


def finish(study: Study, job: str, name: str, text: str | None) -> None:
    """Leave what a finished job leaves; `text` is the second line of its benchmark."""
    rule = f"evaluate_{study.config.evaluations[name].kind}"
    files = {study.paths.evaluation(job, name): "{}"}
    if text is not None:
        files[study.paths.benchmark(rule, f"{job}/{name}")] = f"s\th:m:s\tmax_rss\n{text}\n"
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def plans(study: Study, done: list[str]) -> dict[str, EvaluationPlan]:
    return {one.name: one for one in plan_evaluations(study, done)}


def test_nothing_is_known_before_a_job_is_finished(study: Study) -> None:
    runs = list(study.runs)
    found = plans(study, runs)
    assert list(found) == ["words", "late", "new"]
    assert found["words"] == EvaluationPlan("words", len(runs), runs, None)
    assert found["late"].jobs == len(found["late"].left) == 3 * len(runs)


def test_a_job_takes_the_median_of_those_of_its_evaluation(study: Study) -> None:
    first, second, third, *rest = study.runs
    for run, seconds in ((first, "8.0"), (second, "1.5"), (third, "3.0")):
        finish(study, run, "words", f"{seconds}\t0:00:08\t1")
    finish(study, f"{first}/snapshots/0", "late", "7.25\t0:00:07\t1")
    found = plans(study, list(study.runs))
    assert (found["words"].seconds, found["words"].left) == (3.0, rest)
    assert found["late"].seconds == 7.25
    assert f"{first}/snapshots/1" in found["late"].left
    assert f"{first}/snapshots/0" not in found["late"].left
    assert found["new"].seconds is None


def test_averages_of_weights_are_evaluated_too(study_data: dict[str, Any], tmp_path: Path) -> None:
    study_data |= {
        "results": str(tmp_path / "results"),
        "averages": {"ema": {"decay": 0.9}},
        "evaluations": {"words": WORDS},
    }
    study = parse_study(study_data)
    first, *rest = study.runs
    finish(study, f"{first}/averages/ema", "words", "2.5\t0:00:02\t1")
    found = plans(study, list(study.runs))["words"]
    assert (found.jobs, found.seconds) == (2 * len(study.runs), 2.5)
    assert found.left == [*study.runs, *(f"{run}/averages/ema" for run in rest)]


def test_a_job_without_a_measured_time_is_done_and_prices_nothing(study: Study) -> None:
    first, second, third, *rest = study.runs
    for run, text in ((first, None), (second, "-\t-\t-"), (third, "")):
        finish(study, run, "words", text)
    found = plans(study, list(study.runs))
    assert (found["words"].seconds, found["words"].left) == (None, rest)


def test_a_run_with_another_recipe_is_evaluated_again(study: Study) -> None:
    first, *rest = study.runs
    finish(study, first, "words", "8.0\t0:00:08\t1")
    found = plans(study, rest)
    assert found["words"].left == list(study.runs)
