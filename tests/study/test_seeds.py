"""The three seeds of a run: how they are written, the runs that they make, and seeds in vain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from noiseband.study import StudyError, parse_study
from noiseband.study.params import StartsParams
from noiseband.study.recipe import Recipe, difference
from noiseband.study.runs import apply
from noiseband.study.seed_checks import inert_seeds
from noiseband.study.seeds import RunSeeds, WrittenSeeds, run_seeds
from noiseband.study.table_params import TablesParams

Data = dict[str, Any]
SEED = st.integers(0, 2**63 - 1)


@pytest.fixture
def shuffled(study_data: Data) -> Data:
    """The small study with shuffled data and every source of noise."""
    study_data["recipe"]["data"]["order"] = "shuffled"
    study_data["noise"] = {
        "init_and_train": [42, 22],
        "train_only": [42, [42, 42, 23]],
        "data_only": [42, [42, 7, 42]],
        "init_only": [42, [23, 42, 42]],
    }
    return study_data


def problems(data: Data) -> dict[str, str]:
    with pytest.raises(StudyError) as raised:
        parse_study(data)
    return {problem.key: str(problem) for problem in raised.value.problems}


@pytest.mark.parametrize(
    ("written", "seeds", "suffix"),
    [
        (42, (42, 42, 42), "42"),
        ([42, 42], (42, 42, 42), "42"),
        ([42, 42, 42], (42, 42, 42), "42"),
        ([42, 23], (42, 23, 23), "42-23"),
        ([42, 23, 23], (42, 23, 23), "42-23"),
        ([42, 7, 23], (42, 7, 23), "42-7-23"),
        ([42, 42, 23], (42, 42, 23), "42-42-23"),
        ([42, 23, 42], (42, 23, 42), "42-23-42"),
    ],
)
def test_equal_seeds_have_one_name_however_they_are_written(
    written: WrittenSeeds, seeds: tuple[int, int, int], suffix: str
) -> None:
    found = run_seeds(written)
    assert found == seeds
    assert found.suffix == suffix
    assert run_seeds(found.written) == found


@given(st.tuples(SEED, SEED, SEED), st.tuples(SEED, SEED, SEED))
def test_other_seeds_have_another_name(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    names = {RunSeeds(*one).suffix, RunSeeds(*other).suffix}
    assert len(names) == len({one, other})
    assert run_seeds(RunSeeds(*one).written) == one


def test_shuffled_runs_are_named_by_their_seeds(shuffled: Data) -> None:
    shuffled["seeds"]["clip"] = [42, [42, 7, 23], [42, 7]]
    runs = parse_study(shuffled).runs
    assert [*runs] == [
        "baseline-42", "baseline-22", "baseline-42-42-23", "baseline-42-7-42", "baseline-23-42",
        "clip-42", "clip-42-7-23", "clip-42-7", "no-dropout-42", "both-42", "again",
    ]  # fmt: skip
    assert runs["clip-42-7-23"].seeds == (42, 7, 23)
    assert runs["clip-42-7-23"].built_in.data_seed == 7
    assert runs["clip-42-7"].seeds == (42, 7, 7)
    assert runs["baseline-42-7-42"].difference == {}
    assert len({run.recipe.digest for run in runs.values()}) == len(runs) - 1  # and one repeat


def test_data_in_order_has_no_seed_in_recipe_digest_or_name(study_data: Data) -> None:
    recipe = parse_study(study_data).config.built_in
    plain, pair = Recipe.of(recipe, run_seeds(42)), Recipe.of(recipe, run_seeds([42, 23]))
    assert Recipe.of(recipe, RunSeeds(42, 7, 42)) == plain
    assert Recipe.of(recipe, RunSeeds(42, 7, 23)).seeds == pair.seeds == (42, 23, 23)
    assert "data_seed" not in plain.text
    assert '"order"' not in plain.text
    study_data["seeds"]["clip"] = [[42, 7, 42]]
    assert "clip-42" in parse_study(study_data).runs


def test_shuffled_data_has_a_seed_in_the_recipe(shuffled: Data) -> None:
    recipe = parse_study(shuffled).config.built_in
    one, other = (Recipe.of(recipe, RunSeeds(42, seed, 42)) for seed in (7, 8))
    assert one.digest != other.digest
    assert difference(one, other) == {}
    assert Recipe.model_validate_json(one.text) == one
    with pytest.raises(ValidationError, match="shuffled data needs a data_seed"):
        Recipe.model_validate({**one.model_dump(), "data_seed": None})
    ordered = apply(recipe, {"data.order": "sequential"})
    with pytest.raises(ValidationError, match="other data has none"):
        Recipe(**dict(ordered), init_seed=42, data_seed=7, train_seed=42)


def test_an_intervention_may_shuffle(study_data: Data) -> None:
    study_data["interventions"] |= {
        "shuffle": {"data.order": "shuffled"},
        "all": ["shuffle", "clip"],
    }
    study_data["seeds"]["shuffle"] = [42, [42, 7, 42]]
    runs = parse_study(study_data).runs
    assert runs["shuffle-42"].difference == {"data.order": ["sequential", "shuffled"]}
    assert runs["shuffle-42-7-42"].built_in.data_seed == 7
    assert runs["all-42"].built_in.data_seed == 42
    assert runs["baseline-42"].built_in.data_seed is None
    assert runs["baseline-42"].seeds == runs["shuffle-42"].seeds  # the report compares these


def test_a_run_goes_on_with_the_seeds_of_the_other(shuffled: Data) -> None:
    shuffled["runs"].append({"name": "end", "continues": "baseline-42-7-42"})
    run = parse_study(shuffled).runs["end"]
    assert run.seeds == (42, 7, 42)
    shuffled["runs"][-1] |= {"seed": [5, 7, 9]}
    assert problems(shuffled)["runs.1.seed"] == (
        "runs.1.seed: [5, 7, 9]: the run starts from the weights of baseline-42-7-42, which has "
        "init_seed 42; write [42, 7, 9], or leave seed out"
    )


def test_the_tables_and_starts_know_all_seeds(shuffled: Data) -> None:
    study = parse_study(shuffled)
    assert TablesParams.of(study).noise == {
        "init_and_train": [[42, 42, 42], [22, 22, 22]],
        "train_only": [[42, 42, 42], [42, 42, 23]],
        "data_only": [[42, 42, 42], [42, 7, 42]],
        "init_only": [[42, 42, 42], [23, 42, 42]],
    }
    shuffled["seeds"]["clip"] = [[42, 7, 42], [42, 8]]
    starts = {one.run: one.compared_with for one in StartsParams.of(parse_study(shuffled)).runs}
    assert starts["clip-42-7-42"] == "baseline-42-7-42"
    assert starts["clip-42-8"] == "baseline-42"


def test_a_baseline_of_ones_own_name_is_the_run_of_its_seeds(shuffled: Data) -> None:
    shuffled["runs"].append({"name": "mine", "seed": [42, 7, 42]})
    runs = parse_study(shuffled).runs
    assert runs["mine"].seeds == (42, 7, 42)
    assert "baseline-42-7-42" not in runs


NO_DROPOUT = {"model.dropout": 0.0}


@pytest.mark.parametrize(
    ("changes", "inert"),
    [
        ({}, {"data_seed": "data.order is sequential"}),
        ({"data.order": "shuffled"}, {}),
        ({"data.order": "shuffled", **NO_DROPOUT}, {"train_seed": "model.dropout is 0"}),
        (NO_DROPOUT, {"data_seed": "data.order is sequential", "train_seed": "model.dropout is 0"}),
    ],
)
def test_seeds_that_change_nothing(study_data: Data, changes: Data, inert: dict[str, str]) -> None:
    assert inert_seeds(apply(parse_study(study_data).config.built_in, changes)) == inert


@pytest.mark.parametrize(
    ("changes", "source", "entries", "said"),
    [
        (
            NO_DROPOUT,
            "train_only",
            [42, [42, 23]],
            "[42, [42, 23]]: train_seed changes nothing while model.dropout is 0; leave "
            "train_only out, or use one of init_and_train, init_only",
        ),
        (
            {},
            "data_only",
            [42, [42, 7, 42]],
            "[42, [42, 7, 42]]: data_seed changes nothing while data.order is sequential; leave "
            "data_only out, or use one of init_and_train, train_only, init_only",
        ),
        (
            {"data.order": "shuffled"},
            "train_only",
            [42, [42, 23]],
            "[42, [42, 23]]: data_seed varies too; write [init_seed, data_seed, train_seed], with "
            "one data_seed for all",
        ),
        (
            {},
            "train_only",
            [42, 23],
            "[42, 23]: init_seed varies too; write [init_seed, train_seed], with one init_seed for "
            "all",
        ),
        (
            {"data.order": "shuffled"},
            "data_only",
            [42, 7],
            "[42, 7]: init_seed varies too; write [init_seed, data_seed, train_seed], with one "
            "init_seed for all",
        ),
        (
            NO_DROPOUT,
            "init_and_train",
            [42, [42, 23]],
            "[42, [42, 23]]: 42 and [42, 23] differ only in data_seed and train_seed, which change "
            "nothing while data.order is sequential and model.dropout is 0; remove one, or give it "
            "another init_seed",
        ),
        (
            {},
            "init_and_train",
            [42, 22, [42, 42]],
            "[42, 22, [42, 42]]: 42 and [42, 42] are equal; remove one, or give it another "
            "init_seed",
        ),
        (
            {},
            "init_only",
            [42, 42],
            "[42, 42]: 42 and 42 are equal; remove one, or give it another init_seed",
        ),
    ],
)
def test_noise_that_is_none_is_found_in_the_config(
    study_data: Data, changes: Data, source: str, entries: list[WrittenSeeds], said: str
) -> None:
    study_data |= {"noise": {source: entries}, "interventions": {}, "runs": []}
    study_data["seeds"] = {"baseline": [42]}
    for dotted, value in changes.items():
        section, key = dotted.split(".")
        study_data["recipe"][section][key] = value
    assert problems(study_data) == {f"noise.{source}": f"noise.{source}: {said}"}


def test_one_entry_of_a_source_varies_nothing_and_is_no_mistake(study_data: Data) -> None:
    study_data["recipe"]["model"]["dropout"] = 0.0
    study_data |= {"interventions": {}, "seeds": {}}
    study_data["noise"] = {"train_only": [42], "data_only": [42]}
    assert [*parse_study(study_data).runs] == ["baseline-42", "again"]


def test_seeds_of_an_intervention_that_make_one_run_are_found(study_data: Data) -> None:
    study_data["seeds"]["no-dropout"] = [42, 22, [42, 7]]
    assert problems(study_data) == {
        "seeds.no-dropout": "seeds.no-dropout: [42, 22, [42, 7]]: no-dropout: 42 and [42, 7] "
        "differ only in data_seed and train_seed, which change nothing while data.order is "
        "sequential and model.dropout is 0; remove one, or give it another init_seed"
    }


def test_default_seeds_that_make_one_run_of_some_interventions_are_found(shuffled: Data) -> None:
    shuffled["seeds"] = {"default": [42, [42, 42, 7]]}
    assert problems(shuffled) == {
        "seeds.default": "seeds.default: [42, [42, 42, 7]]: no-dropout, both: 42 and [42, 42, 7] "
        "differ only in train_seed, which changes nothing while model.dropout is 0; remove one, "
        "or give it another init_seed, or list the seeds of no-dropout, both under seeds.<name>"
    }
    shuffled["seeds"] |= {"no-dropout": [42, [42, 7, 42]], "both": [42]}
    assert {"clip-42-42-7", "no-dropout-42-7-42"} <= parse_study(shuffled).runs.keys()


def test_seeds_of_a_design_that_make_one_run_are_found(study_data: Data) -> None:
    study_data["design"] = {"factors": ["clip", "no-dropout"], "seeds": [42, [42, 7]]}
    (said,) = problems(study_data).values()
    assert said.startswith("design.seeds: [42, [42, 7]]: no-dropout: 42 and [42, 7] differ only in")


def test_two_sections_that_make_one_run_are_found(study_data: Data) -> None:
    study_data["runs"].append({"name": "dry", "interventions": ["no-dropout"], "seed": [42, 7]})
    assert problems(study_data) == {
        "runs.1.seed": "runs.1.seed: [42, 7]: dry and no-dropout-42 differ only in train_seed, "
        "which changes nothing while model.dropout is 0; remove one, or give it another init_seed"
    }
    study_data["recipe"]["model"]["dropout"] = 0.0
    study_data |= {"runs": [], "interventions": {}, "seeds": {"baseline": [[42, 7]]}}
    study_data["noise"] = {"init_and_train": [42]}
    assert problems(study_data) == {
        "runs": "runs: [42, 7]: baseline-42-7 and baseline-42 differ only in train_seed, which "
        "changes nothing while model.dropout is 0; remove one, or give it another init_seed"
    }


@pytest.mark.parametrize("seeds", [[42, 1, 2, 3], [42], [1, 2, "3"], [1, -2, 3]])
def test_other_lists_are_no_seeds(study_data: Data, seeds: list[Any]) -> None:
    study_data["seeds"]["clip"] = [seeds]
    (said,) = problems(study_data).values()
    assert said.endswith("[init_seed, train_seed], or [init_seed, data_seed, train_seed]")
