"""Loading of a config: the study that it gives, and every mistake reported with its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.study import StudyError, load_study, parse_study
from noiseband.study.recipe import valid_processes

Data = dict[str, Any]


def set_at(data: Data, path: str, value: Any) -> Data:
    *sections, last = path.split("/")
    place: Any = data
    for name in sections:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[last] = value
    return data


def problems(data: Data) -> dict[str, str]:
    with pytest.raises(StudyError) as raised:
        parse_study(data)
    return {problem.key: str(problem) for problem in raised.value.problems}


def test_runs_are_named_by_intervention_and_seeds(study_data: Data) -> None:
    study = parse_study(study_data)
    assert list(study.runs) == [
        "baseline-42",
        "baseline-22",
        "baseline-42-23",
        "clip-42",
        "clip-22",
        "no-dropout-42",
        "both-42",
        "again",
    ]
    assert study.runs["baseline-42-23"].seeds == (42, 23, 23)
    assert study.runs["both-42"].interventions == ("clip", "no-dropout")


def test_a_run_differs_from_the_baseline_in_exactly_its_changes(study_data: Data) -> None:
    runs = parse_study(study_data).runs
    assert runs["baseline-22"].difference == {}
    assert runs["both-42"].difference == {
        "optimizer.clip_norm": [None, 0.5],
        "model.dropout": [0.1, 0.0],
    }
    assert runs["again"].built_in == runs["baseline-42"].built_in
    assert runs["again"].repeat_of == "baseline-42"


def test_the_digest_covers_every_recipe_key(study_data: Data) -> None:
    before = parse_study(study_data).runs["baseline-42"].built_in
    assert before.digest == parse_study(study_data).runs["again"].built_in.digest
    changed = {
        "model/layers": 3,
        "data/start_token": 5,
        "batch/microbatch": 4,
        "optimizer/eps": 1e-7,
        "threads": 2,
    }
    for path, value in changed.items():
        data = set_at(study_data, f"recipe/{path}", value)
        assert parse_study(data).runs["baseline-42"].built_in.digest != before.digest, path


def test_steps_round_training_tokens_up(study_data: Data) -> None:
    recipe = parse_study(study_data).runs["baseline-42"].built_in
    assert (recipe.tokens_per_step, recipe.steps, recipe.last_token) == (128, 8, 1025)


@pytest.mark.parametrize(
    ("path", "value", "key", "said"),
    [
        ("recipe/model/heads", 5, "recipe.model", "heads=5 does not divide width=16; nearest"),
        ("recipe/batch/microbatch", 3, "recipe.batch", "nearest that do: 1, 2, 4"),
        ("recipe/model/layers", 1.5, "recipe.model.layers", "valid integer"),
        ("recipe/model/dropout", 1.0, "recipe.model.dropout", "less than 1"),
        ("recipe/optimiser", {}, "recipe.optimiser", "did you mean optimizer?"),
        ("recipe/precision", "fp16", "recipe.precision", "'float16-amp'"),
        ("recipe/diverged_after", 0, "recipe.diverged_after", "greater than 0"),
        ("recipe/data/corpus", "txt", "recipe.data.corpus", "did you mean text?"),
        ("recipe/model/vocabulary", 500, "recipe.model.vocabulary", "has 512 ids"),
        ("bseline", 1, "bseline", "did you mean baseline?"),
        ("baseline", "baseline-43", "baseline", "did you mean baseline-42?"),
        ("seeds/clop", [1], "seeds.clop", "did you mean clip?"),
        ("seeds/default", ["x"], "seeds.default.0", "should be a list of seeds"),
        ("interventions/clip", {}, "interventions.clip", "changes nothing"),
        (
            "interventions/clip",
            {"model.dropout": 0.1},
            "interventions.clip.model.dropout",
            "the baseline has this value already",
        ),
        (
            "interventions/clip",
            {"optimizer.clip": 1.0},
            "interventions.clip.optimizer.clip",
            "did you mean optimizer.clip_norm?",
        ),
        (
            "interventions/clip",
            {"optimizer.clip_norm": -1.0},
            "interventions.clip.optimizer.clip_norm",
            "greater than 0",
        ),
        ("interventions/clip", {"model.heads": 3}, "interventions.clip.model", "does not divide"),
        ("interventions/both", ["clip", "x"], "interventions.both.1", "no such name"),
        ("interventions/both", ["clip"], "interventions.both", "two or more"),
        (
            "interventions/baseline",
            {"threads": 2},
            "interventions.baseline",
            "noiseband uses this name",
        ),
        ("runs/0/repeat_of", "baseline-41", "runs.0.repeat_of", "did you mean baseline-42?"),
        ("runs/0/name", "clip-42", "runs", "2 runs have this name"),
        (
            "corpora/text/tokens",
            {"train": 1024, "validation": 1, "test": 1},
            "recipe.data.train_tokens",
            "reads to token 1,025 but the training split of corpus text has 1,024",
        ),
        (
            "processes",
            3,
            "processes",
            "3: run baseline-42 has 4 slots; choose a power",
        ),
        ("processes", 8, "processes", "that divides them: 1, 2, 4"),
        ("processes", 0, "processes", "greater than 0"),
        ("margin", 0, "margin", "greater than 0"),
        ("recipe/data/order", "random", "recipe.data.order", "sequential"),
        ("checkpoints", {"keep": [0, 8]}, "checkpoints.keep.1", "8: no run has this step; steps"),
        ("checkpoints", {"keep": [-1]}, "checkpoints.keep.0", "greater than or equal to 0"),
        ("checkpoints", {"keep": 2}, "checkpoints.keep", "valid list"),
        ("corpora/text/tokenizer/kind", "gpt2", "corpora.text.tokenizer", "remove it"),
        ("corpora/text/sources/0/sha256", "zz", "corpora.text.sources.0.sha256", "64 hexa"),
        ("corpora/text/sources/0/version", 2, "corpora.text.sources.0.version", 'quotes, "2"'),
        ("study", "my study", "study", "should consist of letters, digits"),
        ("recipe/optimizer", None, "recipe.optimizer", "is empty; it should be keys"),
        ("recipe/optimizer", 1, "recipe.optimizer", "1: should be keys with values"),
        (
            "recipe/optimizer/clip_norm",
            "None",
            "recipe.optimizer.clip_norm",
            "write null if you mean none",
        ),
        ("recipe/model/tied", 0, "recipe.model.tied", "true or false"),
        ("seeds/clip", 42, "seeds.clip", "should be a list of seeds, such as [42, 22]"),
        (
            "seeds/clip",
            [42, -1],
            "seeds.clip",
            "a seed is a whole number of at least 0, or [init_seed",
        ),
        ("seeds/clip", [[42]], "seeds.clip", "should be a list of seeds, such as [42, 22]"),
        ("seeds/clip", [42, [42, 42]], "seeds.clip", "a seed appears twice"),
        (
            "interventions/clip",
            {"optimizer": {"clip_norm": 0.5}},
            "interventions.clip.optimizer",
            "is a section of the recipe; name a key in it, such as optimizer.learning_rate",
        ),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    study_data: Data, path: str, value: Any, key: str, said: str
) -> None:
    found = problems(set_at(study_data, path, value))
    assert said in found.get(key, f"not reported; only {found}")


def test_all_mistakes_are_reported_at_once(study_data: Data) -> None:
    set_at(study_data, "recipe/model/heads", 5)
    set_at(study_data, "corpora/text/tokeniser", {})
    set_at(study_data, "seeds/default", "42")
    del study_data["baseline"]
    found = problems(study_data)
    assert found.keys() == {"recipe.model", "corpora.text.tokeniser", "seeds.default", "baseline"}


def test_a_faulty_intervention_does_not_hide_a_faulty_name(study_data: Data) -> None:
    set_at(study_data, "interventions/clip", {"optimizer.clip_norm": "high"})
    set_at(study_data, "baseline", "nobody")
    assert problems(study_data).keys() == {"interventions.clip.optimizer.clip_norm", "baseline"}


def test_a_run_with_anothers_recipe_must_be_a_repeat(study_data: Data) -> None:
    study_data["runs"].append({"name": "twin", "interventions": ["clip"], "seed": 42})
    assert "repeat_of: clip-42" in problems(study_data)["runs"]


def test_processes_must_divide_the_slots_of_every_run(study_data: Data) -> None:
    set_at(study_data, "processes", 4)
    set_at(study_data, "checkpoints", {"keep": [7]})
    assert parse_study(study_data).config.processes == 4
    study_data["recipe"]["batch"] = {"sequences": 24, "microbatch": 2}
    study_data["runs"].append({"name": "twin", "seed": 42, "microbatch": 4})
    set_at(study_data, "processes", 2)
    set_at(study_data, "checkpoints", {"keep": []})
    assert parse_study(study_data).runs["twin"].built_in.batch.slots == 6
    set_at(study_data, "processes", 4)  # divides the 12 slots of all other runs
    assert problems(study_data)["processes"] == (
        "processes: 4: run twin has 6 slots; choose a power of two that divides them: 1, 2"
    )


@pytest.mark.parametrize(
    ("slots", "valid"), [(1, [1]), (2, [1, 2]), (6, [1, 2]), (7, [1]), (8, [1, 2, 4, 8])]
)
def test_processes_are_powers_of_two(slots: int, valid: list[int]) -> None:
    assert valid_processes(slots) == valid


def test_interventions_of_a_stack_must_not_contradict_each_other(study_data: Data) -> None:
    study_data["interventions"]["clip-more"] = {"optimizer.clip_norm": 0.1}
    study_data["interventions"]["both"] = ["clip", "clip-more"]
    assert (
        "contradicts clip: both set optimizer.clip_norm"
        in problems(study_data)["interventions.both.1"]
    )


def test_yaml_exponents_are_numbers_and_doubled_keys_errors(
    tmp_path: Path, study_data: Data
) -> None:
    import yaml

    text = yaml.safe_dump(study_data)
    file = tmp_path / "study.yaml"
    file.write_text(text.replace("learning_rate: 0.01", "learning_rate: 1e-2"))
    assert load_study(file).config.built_in.optimizer.learning_rate == 0.01
    file.write_text(text + "baseline: x\n")
    with pytest.raises(UserError, match=r"study.yaml:\d+: .*'baseline' appears twice"):
        load_study(file)


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the config") as raised:
        load_study(tmp_path / "none.yaml")
    assert "\n" not in str(raised.value)
    (tmp_path / "bad.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(UserError, match=r"bad.yaml:\d+: not YAML"):
        load_study(tmp_path / "bad.yaml")


STUDIES = sorted(set(Path("config").glob("*.yaml")) - {Path("config/machines.yaml")})


@pytest.mark.parametrize("file", STUDIES, ids=lambda p: p.name)
def test_every_study_in_the_repository_is_valid(file: Path) -> None:
    assert load_study(file).runs
