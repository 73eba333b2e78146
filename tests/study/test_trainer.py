"""Studies whose runs a command makes: their recipes, digests, seeds, and what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.study import Study, StudyError, parse_study
from noiseband.study.artefacts import deterministic_artefacts
from noiseband.study.data_needs import ExportNeeds
from noiseband.study.free_recipe import CommandRecipe
from noiseband.study.params import FinetuneParams, RespondParams
from noiseband.study.seen_questions import questioned_models
from noiseband.study.table_params import finetuned_models

CONFIG: dict[str, Any] = {
    "study": "mine",
    "trainer": {
        "command": "python train.py --config {recipe} --out {out}",
        "files": ["train.py", "model"],
        "seeds": ["train_seed", "init_seed"],
    },
    "metrics": {"loss": {"better": "lower"}, "accuracy": {"better": "higher"}},
    "recipe": {"depth": 12, "optimizer": {"lr": 0.0003, "muon": False}, "tags": ["a"]},
    "interventions": {
        "muon": {"optimizer.muon": True},
        "deep": {"depth": "very"},
        "both": ["muon", "deep"],
    },
    "seeds": {"default": [1, [2, 3]]},
    "noise": {"train_only": [[1, 1], [1, 2]]},
    "baseline": "baseline-1",
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the trainer's files, in which the study runs."""
    (tmp_path / "model").mkdir()
    (tmp_path / "train.py").write_text("print(1)\n")
    (tmp_path / "model/a.py").write_text("A = 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed(**changes: Any) -> dict[str, Any]:
    """The config with dotted keys, as `trainer__seeds=[...]`, replaced; None removes one."""
    data = copy.deepcopy(CONFIG)
    for key, value in changes.items():
        *sections, last = key.split("__")
        section = data
        for name in sections:
            section = section[name]
        section[last] = value
    return data


def study(**changes: Any) -> Study:
    return parse_study(changed(**changes))


def recipe(found: Study, run: str) -> CommandRecipe:
    made = found.runs[run].recipe
    assert isinstance(made, CommandRecipe)
    return made


def problems(**changes: Any) -> str:
    with pytest.raises(StudyError) as error:
        study(**changes)
    return str(error.value)


def test_interventions_change_free_keys_by_dotted_names() -> None:
    found = study()
    assert list(found.runs) == [
        "baseline-1", "baseline-1-2", "muon-1", "muon-2-3", "deep-1", "deep-2-3", "both-1",
        "both-2-3",
    ]  # fmt: skip
    assert found.runs["both-1"].difference == {
        "depth": [12, "very"],
        "optimizer.muon": [False, True],
    }
    assert recipe(found, "both-2-3").model_dump() == {
        "depth": "very",
        "optimizer": {"lr": 0.0003, "muon": True},
        "tags": ["a"],
        "init_seed": 2,
        "train_seed": 3,
    }


def test_a_digest_covers_the_recipe_the_seeds_that_are_read_the_command_and_its_files(
    files: Path,
) -> None:
    before = recipe(study(), "baseline-1").digest
    assert recipe(study(), "baseline-1").digest == before
    others = {
        recipe(study(), "baseline-1-2").digest,
        recipe(study(recipe__depth=13), "baseline-1").digest,
        recipe(study(recipe__depth=12.0), "baseline-1").digest,
        recipe(study(trainer__seeds=["train_seed"], seeds={}, noise={"init_and_train": [1]}),
               "baseline-1").digest,
        recipe(study(trainer__command="python train.py {recipe} {out}"), "baseline-1").digest,
    }  # fmt: skip
    (files / "model/a.py").write_text("A = 2\n")
    others.add(recipe(study(), "baseline-1").digest)
    (files / "model/a.py").write_text("A = 1\n")
    (files / "model/a.py").rename(files / "model/b.py")
    others.add(recipe(study(), "baseline-1").digest)
    assert len(others) == 7
    assert before not in others


def test_what_decides_nothing_changes_no_digest(files: Path) -> None:
    before = recipe(study(), "baseline-1").digest
    (files / "model/.hidden").write_text("x")
    (files / "model/__pycache__").mkdir()
    (files / "model/__pycache__/a.pyc").write_bytes(b"x")
    (files / "other.py").write_text("x")
    assert recipe(study(), "baseline-1").digest == before
    assert recipe(study(processes=4), "baseline-1").digest == before
    assert recipe(study(trainer__outputs={"trace": "trace.csv"}), "baseline-1").digest == before
    assert recipe(study(trainer__gpus=2, trainer__threads=3), "baseline-1").digest == before


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    said = problems(interventions={"muon": {"optimizer.muno": True}})
    assert "interventions.muon.optimizer.muno: true: no such recipe key" in said
    assert "did you mean optimizer.muon?" in said
    said = problems(interventions={"muon": {"optimizer": 3}})
    assert "is a section of the recipe; name a key in it, such as optimizer.lr" in said
    said = problems(interventions={"muon": {"depth": {"a": 3}}})
    assert "depth is a single value in the recipe" in said
    assert "the baseline has this value already" in problems(interventions={"m": {"depth": 12}})


def test_a_seed_that_the_command_does_not_read_is_refused() -> None:
    only = {"trainer__seeds": ["train_seed"], "noise": {"init_and_train": [1, 2]}}
    assert set(study(**only, seeds={"default": [1, 2]}).runs) >= {"baseline-2", "muon-2"}
    said = problems(**only, seeds={"default": [[1, 2]]})
    assert "seeds.default: [1, 2]: gives init_seed a value of its own" in said
    assert "trainer.seeds leaves it out" in said
    said = problems(noise={"data_only": [[1, 2, 3], [1, 3, 3]]})
    assert "noise.data_only: [1, 2, 3]: gives data_seed a value of its own" in said
    said = problems(**{**only, "noise": {"init_only": [1, 2]}}, seeds={"default": [1]})
    assert "init_seed changes nothing while trainer.seeds leaves it out" in said


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("python t.py {recpie} {out}", "{recpie}: no such placeholder; did you mean recipe?"),
        ("python t.py {recipe}", "{out} is missing"),
        ("python t.py {recipe} {out} | tee log", "no shell reads '|'"),
        ("python 't.py {recipe} {out}", "a quote is not closed"),
        ("python {recipe} {out} {", "for braces"),
        ("  ", "is empty"),
    ],
)
def test_a_command_that_cannot_work_is_refused(command: str, said: str) -> None:
    assert said in problems(trainer__command=command)


def test_a_command_has_its_values_and_its_own_braces() -> None:
    found = study(trainer__command="run 'a {{b}}' --n={processes} {recipe} {out}").config.trainer
    assert found is not None
    assert found.words(recipe="/a b/r.json", out="/o", processes=2) == [
        "run", "a {b}", "--n=2", "/a b/r.json", "/o",
    ]  # fmt: skip


def test_a_missing_file_is_named() -> None:
    said = problems(trainer__files=["train.py", "mdoel"])
    assert 'trainer.files.1: "mdoel": no such file or folder' in said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"evaluation": {"split": "train"}}, "evaluation: only the built-in trainer uses it"),
        ({"checkpoints": {"every": 5}}, "checkpoints: only the built-in trainer uses it"),
        ({"published": True}, "published: only the built-in trainer uses it"),
        (
            {"runs": [{"name": "a", "seed": 3, "microbatch": 2}]},
            "runs.0.microbatch: 2: only the built-in trainer uses it",
        ),
        (
            {"runs": [{"name": "a", "continues": "baseline-1"}]},
            'runs.0.continues: "baseline-1": only the built-in trainer uses it',
        ),
    ],
)
def test_what_only_the_built_in_trainer_uses_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in problems(**changes)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({}, "is empty"),
        ({"a.b": 1}, "a key should be text without dots"),
        ({"init_seed": 1}, "init_seed: noiseband sets it for each run"),
        ({"a": {}}, "a: has no keys"),
        ({"a": [{"b": 1}]}, "a: a list of mappings has no dotted names"),
        ({"a": float("nan")}, "a: nan is not a finite number"),
    ],
)
def test_a_recipe_that_is_no_json_with_dotted_names_is_refused(
    recipe: dict[str, Any], said: str
) -> None:
    assert said in problems(recipe=recipe, interventions={})


def test_the_config_of_a_crate_is_the_same_study() -> None:
    found = study()
    data = json.loads(json.dumps(found.config.model_dump(mode="json")))
    assert {k: v.recipe.digest for k, v in parse_study(data).runs.items()} == {
        k: v.recipe.digest for k, v in found.runs.items()
    }


def test_what_needs_the_built_in_trainer_says_so() -> None:
    with pytest.raises(UserError, match="baseline-1: the study's trainer is a command"):
        _ = study().runs["baseline-1"].model
    with pytest.raises(UserError, match="this needs the built-in trainer's"):
        _ = study().config.built_in


def test_without_a_trainer_a_study_needs_corpora_and_the_usual_recipe() -> None:
    data = {key: value for key, value in CONFIG.items() if key != "trainer"}
    with pytest.raises(StudyError, match="corpora: missing; every study needs it") as error:
        parse_study(data)
    assert "recipe.depth: 12: unknown key" in str(error.value)


def test_evaluations_read_what_the_command_exports() -> None:
    words = {"command": "python count.py {model} {out}"}
    said = problems(evaluations={"words": words})
    assert "evaluations.words.command: reads an exported model; name its folder" in said
    choice = {"choice": {"file": "items.jsonl"}}
    said = problems(evaluations={"items": choice})
    assert "evaluations.items.choice: reads an exported model; name its folder" in said
    said = problems(evaluations={"late": {"loss": {"split": "test"}}})
    assert "evaluations.late.loss: reads a model of the built-in trainer; use choice or" in said
    exporting = {"export": "model"}
    assert study(evaluations={"words": words, "items": choice}, trainer__outputs=exporting)


FINETUNING: dict[str, Any] = {
    "instructions": {"mine": {"kind": "file", "path": "rows.json"}},
    "protocols": {
        "one": {"instructions": "mine", "epochs": 1, "patience": None, "dropout": 0.0,
                "seeds": [1, 2]},
    },
    "runs": ["muon-1", "baseline-1"],
}  # fmt: skip


def test_what_is_fine_tuned_is_what_the_command_exports() -> None:
    said = problems(finetuning=FINETUNING)
    assert "finetuning: tunes an exported model; name its folder in trainer.outputs.export" in said
    exports = {"trainer__outputs": {"export": "model"}}
    wrong = {**FINETUNING, "runs": ["muon-7"]}
    assert "finetuning.runs.0" in problems(**exports, finetuning=wrong)
    found = study(**exports, finetuning=FINETUNING, judge={"kind": "chrf", "rounds": 1})
    assert finetuned_models(found)[:2] == [("muon-1", "one", 1), ("muon-1", "one", 2)]
    for kind in (FinetuneParams, RespondParams):
        params = kind.of(found, found.runs["muon-1"], "one")
        assert (params.model, params.attention) == (None, "explicit")
        assert kind.model_validate_json(params.text) == params
    (prompts,) = ExportNeeds.of(found, "muon-1").prompts
    assert (prompts.model, prompts.rows, prompts.context) == ("muon-1", "mine", None)
    assert questioned_models(found) == {"questions~mine": ["muon-1", "baseline-1"]}
    files = set(map(str, deterministic_artefacts(found)))
    assert "results/runs/muon-1/converted/model.safetensors" in files
    assert "results/runs/deep-1/converted/model.safetensors" not in files


def test_metrics_are_declared_with_their_margins() -> None:
    assert [one.name for one in study().metrics] == ["loss", "accuracy"]
    assert study(primary="accuracy").metrics[0].better == "higher"
    said = problems(metrics={})
    assert "metrics: declare at least one metric that the command writes" in said
    said = problems(metrics={"seconds": {"better": "lower", "volatile": True}})
    assert "declare at least one metric" in said
    assert "margin: 0.1: write it under metrics.<name>" in problems(margin=0.1)
