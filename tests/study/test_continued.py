"""Runs that start from another run's final weights."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.study import Run, Study, StudyError, parse_study
from noiseband.study.params import StartsParams, TrainParams

Data = dict[str, Any]
EXTENDED = {"name": "extended", "continues": "baseline-42"}
TIED = {"model.tied": True}


def runs_of(data: Data, *entries: Data) -> dict[str, Run]:
    data["runs"] += entries
    return parse_study(data).runs


def problems(data: Data, *entries: Data) -> dict[str, str]:
    with pytest.raises(StudyError) as raised:
        runs_of(data, *entries)
    return {problem.key: str(problem) for problem in raised.value.problems}


def test_it_reads_on_where_the_other_stopped(study_data: Data) -> None:
    runs = runs_of(study_data, EXTENDED)
    run, other = runs["extended"], runs["baseline-42"]
    # 1,000 tokens are 8 steps of 128.
    assert other.built_in.stop_token == 1024
    assert run.built_in.data.start_token == 1024
    assert run.built_in.data.train_tokens == other.built_in.data.train_tokens
    assert run.built_in.last_token == 2049
    assert run.built_in.continues == other.built_in.digest
    assert (run.continues, run.seeds) == ("baseline-42", (42, 42, 42))
    assert run.difference == {"continues": [None, "baseline-42"], "data.start_token": [0, 1024]}
    assert list(run.difference) == sorted(run.difference)


def test_tokens_seeds_and_microbatch_can_be_given(study_data: Data) -> None:
    entry = {**EXTENDED, "start_token": 0, "train_tokens": 256, "seed": [42, 7], "microbatch": 4}
    run = runs_of(study_data, entry)["extended"]
    data = run.built_in.data
    assert (data.start_token, data.train_tokens, run.built_in.batch.microbatch) == (0, 256, 4)
    assert run.seeds == (42, 7, 7)
    assert run.difference == {
        "batch.microbatch": [2, 4],
        "continues": [None, "baseline-42"],
        "data.train_tokens": [1000, 256],
    }


def test_another_corpus_is_read_from_where_the_recipe_says(study_data: Data) -> None:
    study_data["corpora"]["more"] = study_data["corpora"]["text"]
    study_data["recipe"]["data"]["start_token"] = 7
    study_data["interventions"]["more"] = {"data.corpus": "more"}
    entries = (
        {**EXTENDED, "interventions": ["more"]},
        {"name": "further", "continues": "extended", "interventions": ["more"]},
    )
    runs = runs_of(study_data, *entries)
    assert runs["extended"].built_in.data.start_token == 7
    assert runs["further"].built_in.data.start_token == 7 + 1024


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_entries_does_not_matter(study_data: Data, turned: bool) -> None:
    entries: list[Data] = [
        {"name": "start", "seed": [5, 6]},
        {"name": "middle", "continues": "start"},
        {"name": "end", "continues": "middle"},
        {"name": "end-again", "repeat_of": "end"},
    ]
    if turned:
        entries.reverse()
    runs = runs_of(study_data, *entries)
    starts = [runs[name].built_in.data.start_token for name in ("start", "middle", "end")]
    assert starts == [0, 1024, 2048]
    assert runs["end"].seeds == (5, 6, 6)
    again = runs["end-again"]
    assert (again.repeat_of, again.continues) == ("end", "middle")
    assert again.recipe == runs["end"].built_in
    # Runs are shown in the order of the file, with repeats last.
    named = [name for name in runs if name in ("start", "middle", "end")]
    assert named == [e["name"] for e in entries if "repeat_of" not in e]


def test_a_change_anywhere_in_the_chain_changes_the_digest(study_data: Data) -> None:
    study_data["runs"] += [
        {"name": "start", "seed": 5, "microbatch": 2},
        {"name": "middle", "continues": "start"},
        {"name": "end", "continues": "middle"},
    ]
    before = parse_study(study_data).runs
    study_data["runs"][-3]["microbatch"] = 4
    after = parse_study(study_data).runs
    for name in ("start", "middle", "end"):
        assert before[name].recipe.digest != after[name].recipe.digest, name
    one, two = (runs["end"].built_in.model_dump(exclude={"continues"}) for runs in (before, after))
    assert one == two


@pytest.mark.parametrize(
    ("other", "entry", "label"),
    [
        ("baseline-42", {}, "continued"),
        ("baseline-22", {"seed": [22, 5]}, "continued"),
        ("tied-42", {"interventions": ["tied"]}, "tied+continued"),
        ("both-42", {"interventions": ["both"], "microbatch": 4}, "both+continued"),
        ("both-42", {"interventions": ["clip"]}, "clip+continued from both"),
        ("clip-42", {}, "continued from clip"),
        ("extended", {}, "continued from continued"),
        ("baseline-42", {"start_token": 0}, "continued at token 0"),
        ("baseline-42", {"train_tokens": 2048}, "continued for 2,048 tokens"),
        ("baseline-42", {"start_token": 1024, "train_tokens": 1000, "seed": [42, 1]}, "continued"),
    ],
)
def test_the_label_tells_apart_all_but_seeds_and_twins(
    study_data: Data, other: str, entry: Data, label: str
) -> None:
    study_data["interventions"]["tied"] = TIED
    others = [EXTENDED] if other == "extended" else []
    run = runs_of(study_data, *others, {"name": "more", "continues": other, **entry})["more"]
    assert run.intervention == label
    parts = {"both": ("clip", "no-dropout")}
    single = entry.get("interventions", [])
    assert run.interventions == (parts.get(single[0], tuple(single)) if single else ())


def test_it_starts_from_the_others_file_and_nothing_is_drawn_for_it(study_data: Data) -> None:
    study_data["runs"] += [EXTENDED, {"name": "extended-again", "repeat_of": "extended"}]
    study = parse_study(study_data)
    init = study.runs["baseline-42"].start
    assert study.start_file(study.runs["baseline-42"]) == study.paths.start(init)
    baseline = study.paths.run("baseline-42")
    for name in ("extended", "extended-again"):
        assert study.start_file(study.runs[name]) == baseline / "model.safetensors"
    assert study.starts.keys() == {run.built_in.start for run in study.runs.values()}
    assert Study(study.config, {"extended": study.runs["extended"]}).starts == {}
    starts = {one.run: one.start for one in StartsParams.of(study).runs}
    assert (starts["extended"], starts["baseline-42"]) == ("run:baseline-42", init)


def test_training_is_told_what_it_continues(study_data: Data) -> None:
    study_data["runs"].append(EXTENDED)
    study = parse_study(study_data)
    assert TrainParams.of(study, study.runs["extended"]).continues == "baseline-42"
    assert TrainParams.of(study, study.runs["baseline-42"]).continues is None


@pytest.mark.parametrize(
    ("entry", "key", "said"),
    [
        ({"continues": "baseline-41"}, "runs.1.continues", "did you mean baseline-42?"),
        ({"continues": "x"}, "runs.1.continues", '"x": a circle: x continues x; let one of them'),
        (
            {"continues": "again"},
            "runs.1.continues",
            "is a repeat, with the weights of base",
        ),
        ({"seed": 1, "start_token": 0}, "runs.1", "start_token needs `continues`; name the run"),
        ({"seed": 1, "train_tokens": 5}, "runs.1", "train_tokens needs `continues`; name the"),
        ({}, "runs.1", "a run needs one of the keys seed, repeat_of and continues"),
        (
            {"continues": "baseline-42", "repeat_of": "baseline-42"},
            "runs.1",
            "repeat_of takes the whole recipe; remove the other keys",
        ),
        ({"repeat_of": "baseline-42", "seed": 0}, "runs.1", "remove the other keys"),
        ({"repeat_of": "baseline-42", "train_tokens": 1}, "runs.1", "remove the other keys"),
        (
            {"continues": "baseline-42", "start_token": -1},
            "runs.1.start_token",
            "greater than or equal to 0",
        ),
        ({"continues": "baseline-42", "train_tokens": 0}, "runs.1.train_tokens", "greater than 0"),
        (
            {"continues": "baseline-42", "interventions": ["tied"]},
            "runs.1.continues",
            '"baseline-42": its weights do not fit: model.tied is true here and false there; apply',
        ),
        (
            {"continues": "tied-42"},
            "runs.1.continues",
            "model.tied is false here and true there; apply the interventions that change this to",
        ),
        (
            {"continues": "baseline-42", "interventions": ["drawn"]},
            "runs.1.continues",
            'init is "reference" here and "keyed" there',
        ),
        (
            {"continues": "baseline-42", "seed": [5, 7]},
            "runs.1.seed",
            "[5, 7]: the run starts from the weights of baseline-42, which has init_seed 42; write "
            "[42, 7]",
        ),
        ({"continues": "baseline-42", "microbatch": 3}, "runs.batch", "microbatch=3 does not div"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    study_data: Data, entry: Data, key: str, said: str
) -> None:
    study_data["interventions"] |= {"tied": TIED, "drawn": {"init": "reference"}}
    found = problems(study_data, {"name": "x", **entry})
    assert found.keys() == {key}
    assert said in found[key]
    assert "\n" not in found[key]


def test_a_circle_is_told_once_and_what_hangs_on_it_not_at_all(study_data: Data) -> None:
    found = problems(
        study_data,
        {"name": "tail", "continues": "a"},
        {"name": "a", "continues": "b"},
        {"name": "b", "continues": "a"},
        {"name": "tail-again", "repeat_of": "tail"},
    )
    assert found == {
        "runs.2.continues": 'runs.2.continues: "b": a circle: a continues b continues a; '
        "let one of them start from a seed"
    }


def test_two_runs_that_continue_one_alike_are_a_repeat(study_data: Data) -> None:
    found = problems(study_data, EXTENDED, {"name": "more", "continues": "baseline-42"})
    assert "make it repeat_of: extended" in found["runs"]


def test_the_name_of_the_label_is_taken(study_data: Data) -> None:
    study_data["interventions"]["continued"] = {"threads": 2}
    assert "noiseband uses this name itself" in problems(study_data)["interventions.continued"]


def test_it_must_not_read_past_the_corpus(study_data: Data) -> None:
    tokens = {"train": 2048, "validation": 1, "test": 1000}
    study_data["corpora"]["text"]["tokens"] = tokens
    found = problems(study_data, EXTENDED)
    assert found == {
        "runs.1.train_tokens": "runs.1.train_tokens: 1000: run extended reads to token 2,049 but "
        "the training split of corpus text has 2,048; lower it, or start_token (1,024)"
    }
    # If the run that it continues already reads too far, that run is the mistake.
    tokens["train"] = 1024
    assert problems(study_data).keys() == {"recipe.data.train_tokens"}
