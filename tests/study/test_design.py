"""Factorial designs in a config: their runs, and the errors about invalid designs."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.study import StudyError, load_study, parse_study

Data = dict[str, Any]


def with_design(data: Data, **keys: Any) -> Data:
    data["interventions"]["decay"] = {"optimizer.weight_decay": 0.01}
    data["design"] = {"factors": ["clip", "no-dropout", "decay"], **keys}
    data["seeds"] = {"default": [7]}
    data["runs"] = []
    return data


def problems(data: Data) -> dict[str, str]:
    with pytest.raises(StudyError) as raised:
        parse_study(data)
    return {problem.key: str(problem) for problem in raised.value.problems}


def test_every_set_of_factors_is_a_run(study_data: Data) -> None:
    study = parse_study(with_design(study_data))
    sets = {run.interventions for run in study.runs.values() if run.seeds == (42, 42, 42)}
    assert sets == {
        (),
        ("clip",),
        ("no-dropout",),
        ("decay",),
        ("clip", "no-dropout"),
        ("clip", "decay"),
        ("no-dropout", "decay"),
        ("clip", "no-dropout", "decay"),
    }
    both = study.runs["clip+decay-42"]
    assert both.difference == {
        "optimizer.clip_norm": [None, 0.5],
        "optimizer.weight_decay": [0.1, 0.01],
    }
    # If the config has a stack of the same interventions, that stack is the run of the design.
    assert study.runs["both-42"].interventions == ("clip", "no-dropout")
    assert "both-7" in study.runs
    assert "clip-7" not in study.runs


def test_seeds_may_name_a_factor(study_data: Data) -> None:
    data = with_design(study_data, seeds=[42, [1, 2]])
    data["seeds"] = {"default": [], "clip": [42, 9]}
    names = list(parse_study(data).runs)
    assert {"clip-42", "clip-9", "clip-1-2", "baseline-1-2", "clip+no-dropout-1-2"} - {*names} == {
        "clip+no-dropout-1-2"
    }
    assert "both-1-2" in names
    assert len(names) == len(set(names))


def test_a_fraction_runs_half_with_the_baseline_among_them(study_data: Data) -> None:
    data = with_design(study_data, fraction=1)
    data["seeds"] = {"default": []}
    data["noise"], data["baseline"] = {}, "baseline-42"
    sets = [run.interventions for run in parse_study(data).runs.values()]
    assert len(sets) == 4
    assert () in sets


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({"factors": ["clip", "no-dropuot"]}, "design.factors.1", "no-dropout"),
        ({"factors": ["clip", "both"]}, "design.factors.1", "is a stack; name its parts"),
        ({"factors": ["clip", "clip-more"]}, "design.factors.1", "sets optimizer.clip_norm"),
        ({"factors": ["clip", "clip"]}, "design", "more than once"),
        ({"fraction": 2}, "design", "at most 1"),
        ({"factors": ["clip"]}, "design.factors", "at least 2"),
        ({"fraction": -1}, "design.fraction", "greater than or equal to 0"),
        ({"replicates": 2}, "design.replicates", "unknown key"),
    ],
)
def test_what_a_design_refuses(study_data: Data, keys: Data, key: str, words: str) -> None:
    data = with_design(study_data)
    data["interventions"]["clip-more"] = {"optimizer.clip_norm": 0.25}
    data["design"].update(keys)
    assert words in problems(data)[key]


def test_a_name_too_long_for_a_folder_is_refused(study_data: Data) -> None:
    data = with_design(study_data)
    long = {"x" * 99: {"optimizer.eps": 1e-7}, "y" * 99: {"optimizer.learning_rate": 0.1}}
    data["interventions"].update(long)
    data["design"]["factors"] = ["clip", *long]
    assert "shorter names" in problems(data)["design.factors"]


def test_the_factorial_study_runs_five_changes_in_full() -> None:
    study = load_study("config/factorial.yaml")
    assert len(study.runs) == 32
    assert len({run.interventions for run in study.runs.values()}) == 32
    assert len({run.recipe.digest for run in study.runs.values()}) == 32
    pocket = load_study("config/config.yaml")
    assert study.config.built_in == pocket.config.built_in
    assert study.config.corpora == pocket.config.corpora
    assert study.runs["stacked-2-1"].built_in == pocket.runs["stacked-2-1"].built_in
    assert study.results != pocket.results
