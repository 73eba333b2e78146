"""Config files that extend another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from noiseband.dag.workflow import study_of
from noiseband.errors import UserError
from noiseband.study import StudyError, load_study
from noiseband.study.extend import changed, read_config


@pytest.fixture
def base(tmp_path: Path, study_data: dict[str, Any]) -> Path:
    file = tmp_path / "base.yaml"
    file.write_text(yaml.safe_dump(study_data))
    return file


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def test_keys_change_one_by_one_and_all_else_is_the_others(base: Path) -> None:
    small = write(
        base.parent / "more" / "small.yaml",
        "extends: ../base.yaml\n"
        "study: smaller\n"
        "recipe: {model: {layers: 1}}\n"
        "interventions: {clip: {optimizer.clip_norm: 0.25}, tied: {model.tied: true}}\n"
        "noise: {init_and_train: [42]}\n",
    )
    before, after = load_study(base), load_study(small)
    assert after.config.study == "smaller"
    assert after.config.built_in.model == before.config.built_in.model.model_copy(
        update={"layers": 1}
    )
    assert after.runs["clip-42"].built_in.optimizer.clip_norm == 0.25
    assert after.runs["tied-42"].built_in.model.tied
    assert "no-dropout-42" in after.runs
    assert "baseline-22" not in after.runs  # Lists are replaced, not merged.
    again = write(base.parent / "again.yaml", "extends: more/small.yaml\nstudy: smallest\n")
    assert load_study(again).runs == after.runs


def test_null_takes_a_mapping_or_a_list_away_and_is_a_value_elsewhere() -> None:
    found = changed(
        {"a": {"b": 1, "c": {"d": 2}}, "e": 3, "g": [4]},
        {"a": {"b": None, "c": None}, "e": None, "f": None, "g": None},
    )
    assert found == {"a": {"b": None}, "e": None, "f": None}


def test_a_mistake_is_reported_for_the_file_that_was_given(base: Path) -> None:
    wrong = write(base.parent / "wrong.yaml", "extends: base.yaml\nbaseline: baseline-41\n")
    with pytest.raises(StudyError, match=r"wrong\.yaml: 1 problem\n  baseline: .*baseline-42"):
        load_study(wrong)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: a.yaml\n", r"a\.yaml extends .*a\.yaml: a circle"),
        (
            "extends: nothing.yaml\n",
            r"a\.yaml: extends: 'nothing.yaml': no such file; give its path",
        ),
        ("extends: 3\n", r"a\.yaml: extends: 3: give the path of a config file"),
    ],
)
def test_what_cannot_be_extended(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_config(write(tmp_path / "a.yaml", text))


def test_the_workflow_reads_it_alike(base: Path) -> None:
    small = write(base.parent / "small.yaml", "extends: base.yaml\nbaseline: clip-42\n")
    # Snakemake merges the file with the command line in this way.
    config = {**yaml.safe_load(small.read_text()), "results": "elsewhere"}
    found = study_of(config, [str(small)], "config/machines.yaml")
    assert (found.config.baseline, found.config.results) == ("clip-42", "elsewhere")
    assert found.runs == load_study(small).runs


def test_commands_take_it(base: Path) -> None:
    small = write(base.parent / "small.yaml", "extends: base.yaml\nseeds: {default: [7]}\n")
    done = subprocess.run(
        [sys.executable, "-m", "noiseband", "runs", "--config", str(small)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "no-dropout-7 " in done.stdout


def test_yaml_that_merges_a_mapping_is_no_key_twice(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n")
    assert read_config(file)["b"] == {"x": 3, "y": 2}
    twice = write(tmp_path / "b.yaml", "a: &a {x: 1}\nb: {<<: *a, x: 3, x: 4}\n")
    with pytest.raises(UserError, match="the key 'x' appears twice"):
        read_config(twice)
