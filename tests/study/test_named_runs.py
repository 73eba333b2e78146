"""Runs with names of their own: as noise runs, on other machines, and on other corpora."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.study import Study, StudyError, parse_study
from noiseband.study.contamination import ContaminationParams
from noiseband.study.params import EvaluateParams, TrainParams
from noiseband.study.table_params import ReportParams, TablesParams

Data = dict[str, Any]


def problems(data: Data) -> dict[str, str]:
    with pytest.raises(StudyError) as raised:
        parse_study(data)
    return {problem.key: str(problem) for problem in raised.value.problems}


@pytest.fixture
def named(study_data: Data) -> Data:
    """The small study with the baseline run of seed 42 named `first`."""
    study_data["runs"] = [{"name": "first", "seed": 42}, {"name": "again", "repeat_of": "first"}]
    study_data["baseline"] = "first"
    return study_data


def test_a_plain_run_is_the_one_that_noise_asks_for(study_data: Data, named: Data) -> None:
    study = parse_study(named)
    assert list(study.runs)[:2] == ["baseline-22", "baseline-42-23"]
    assert "baseline-42" not in study.runs
    assert study.runs["first"].intervention == "baseline"
    assert study.runs["again"].built_in == study.runs["first"].built_in
    named["runs"][0]["microbatch"] = 2  # the baseline's microbatch
    assert list(parse_study(named).runs) == list(study.runs)


def test_only_a_plain_one_is(named: Data) -> None:
    named["baseline"] = "baseline-42"
    assert "no such name; did you mean baseline-22?" in problems(named)["baseline"]
    named["runs"][0]["microbatch"] = 4  # a twin of the baseline
    assert {"first", "baseline-42"} <= parse_study(named).runs.keys()
    named["runs"][0] = {"name": "first", "seed": 42, "interventions": ["clip"]}
    assert "has the recipe of clip-42" in problems(named)["runs"]
    named["runs"][0] = {"name": "first", "seed": 42}
    named["runs"].append({"name": "second", "seed": 42})
    assert "repeat_of: first" in problems(named)["runs"]


def test_another_run_may_go_on_from_it(named: Data) -> None:
    named["runs"].append({"name": "longer", "continues": "first"})
    assert parse_study(named).runs["longer"].continues == "first"
    named["runs"][2]["continues"] = "baseline-42"
    assert "did you mean" in problems(named)["runs.2.continues"]


def placed(study: Study, run: str) -> tuple[str, int]:
    return study.machine(study.runs[run]), study.processes(study.runs[run])


def test_machine_and_processes_are_the_runs_own_and_change_no_recipe(named: Data) -> None:
    before = parse_study(named)
    named |= {"machine": "large", "processes": 4}
    named["placement"] = {
        "first": {"machine": "tiny", "processes": 1},
        "again": {"machine": "other"},
        "clip-22": {"processes": 2},
    }
    study = parse_study(named)
    assert placed(study, "clip-42") == ("large", 4)
    assert placed(study, "clip-22") == ("large", 2)
    assert placed(study, "first") == ("tiny", 1)
    assert placed(study, "again") == ("other", 4)
    assert study.runs == before.runs
    first = study.runs["first"]
    assert TrainParams.of(study, first) == TrainParams.of(before, first)
    assert ReportParams.of(study).machines == {"first": "tiny", "again": "other"}


def test_processes_must_divide_the_slots_of_the_run_that_has_them(named: Data) -> None:
    named["runs"].append({"name": "twin", "seed": 42, "microbatch": 8})
    named["processes"] = 4
    assert "run twin has 1 slots" in problems(named)["processes"]
    named["placement"] = {"twin": {"processes": 1}}
    assert placed(parse_study(named), "twin") == ("laptop", 1)
    named["placement"] = {"twin": {"processes": 2}}
    assert "run twin has 1 slots" in problems(named)["placement.twin.processes"]
    named["placement"] = {"twni": {"processes": 1}}
    assert "did you mean twin?" in problems(named)["placement.twni"]


def test_approximate_runs_are_told_to_the_tables(named: Data) -> None:
    named["runs"].append(
        {"name": "like", "interventions": ["both"], "seed": 9, "approximate": True}
    )
    study = parse_study(named)
    assert TablesParams.of(study).approximate == ["like"]
    named["runs"][2]["approximate"] = False
    assert parse_study(named).runs["like"].built_in == study.runs["like"].built_in


@pytest.fixture
def two_corpora(named: Data) -> Data:
    """A study with a run that reads another corpus than the baseline, with GPT-2's ids in both."""
    tokenizer = {"kind": "gpt2"}
    source = {"package": "q", "version": "1.0", "reader": "asv", "sha256": "0" * 64}
    named["corpora"]["text"]["tokenizer"] = tokenizer
    named["corpora"]["other"] = {"sources": [source], "tokenizer": tokenizer}
    named["recipe"]["model"]["vocabulary"] = 50257
    named["interventions"]["elsewhere"] = {"data.corpus": "other"}
    return named


def test_all_runs_may_be_measured_on_one_corpus(two_corpora: Data) -> None:
    apart = parse_study(two_corpora)
    run = apart.runs["elsewhere-42"]
    assert (run.corpus, apart.measured_on(run)) == ("other", "other")
    two_corpora["evaluation"] = {"corpus": "text"}
    study = parse_study(two_corpora)
    assert {study.measured_on(model) for model in study.models.values()} == {"text"}
    assert study.corpora == ["text", "other"]
    # The job's only change is its input of tokens, and the baseline's jobs do not change.
    assert EvaluateParams.of(study, run) == EvaluateParams.of(apart, run)
    window = ContaminationParams.of(study, study.runs["elsewhere-42"])
    assert (window.corpus, [one.corpus for one in window.training]) == ("text", ["other"])
    first = study.runs["first"]
    assert ContaminationParams.of(study, first) == ContaminationParams.of(apart, first)


def test_the_corpus_to_measure_on_must_be_one_that_all_can_read(two_corpora: Data) -> None:
    two_corpora["evaluation"] = {"corpus": "txt"}
    assert "did you mean text?" in problems(two_corpora)["evaluation.corpus"]
    two_corpora["evaluation"] = {"corpus": "text"}
    for corpus in two_corpora["corpora"].values():
        corpus["tokenizer"] = {"kind": "bpe", "vocabulary": 50257}
    assert (
        "run elsewhere-42 reads other, whose token ids"
        in problems(two_corpora)["evaluation.corpus"]
    )


def test_a_window_of_training_tokens_is_of_the_corpus_measured_on(two_corpora: Data) -> None:
    """The window is in one corpus, and only tokens that runs read from this corpus count."""
    two_corpora["evaluation"] = {
        "corpus": "other",
        "split": "train",
        "start_token": 0,
        "tokens": 256,
    }
    key = "evaluation.start_token"
    assert "run elsewhere-42 reads tokens 0 to 1,025" in problems(two_corpora)[key]
    two_corpora["interventions"].pop("elsewhere")
    study = parse_study(two_corpora)
    assert study.measured_on(study.runs["first"]) == "other"
    assert study.corpora == TablesParams.of(study).corpora[::-1] == ["text", "other"]
