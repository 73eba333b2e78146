"""The study and its files, as the rule files have them."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from noiseband.dag.workflow import check_folders, one_of, study_of
from noiseband.study import parse_study
from noiseband.study.artefacts import deterministic_artefacts


def test_a_run_that_continues_another_is_digested_like_any_and_has_no_init(
    study_data: dict[str, Any],
) -> None:
    before = set(map(str, deterministic_artefacts(parse_study(study_data))))
    study_data["runs"].append({"name": "extended", "continues": "baseline-42"})
    added = set(map(str, deterministic_artefacts(parse_study(study_data)))) - before
    names = ("recipe.json", "model.safetensors", "model.json", "trace.parquet", "samples.jsonl")
    measured = ("test_loss.json", "test_documents.csv")
    assert added == {
        *(f"results/runs/extended/{name}" for name in (*names, *measured)),
        "results/contamination/text-16~text-0-2049.json",
    }


@given(st.lists(st.from_regex(r"[a-c.]{0,2}(-[12]{1,2}){0,2}", fullmatch=True), max_size=12))
def test_a_constraint_is_met_by_the_names_alone(names: list[str]) -> None:
    constraint = re.compile(one_of(names))
    near = {*names, *(f"{name}-1" for name in names), *(name[:-1] for name in names), "a", "b-1"}
    assert {name for name in near if constraint.fullmatch(name)} == set(names)


def test_a_constraint_of_a_thousand_runs_is_short() -> None:
    runs = [f"rate-{rate:02d}-{seed}" for rate in range(50) for seed in range(20)]
    assert len(one_of(runs)) < len("|".join(runs)) / 10


def test_a_machine_that_the_table_lacks_is_told_before_anything_runs(
    study_data: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_of(study_data, [], "config/machines.yaml").runs
    with pytest.raises(SystemExit) as stopped:
        study_of({**study_data, "machine": "lptop"}, [], "config/machines.yaml")
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said == 'machine: "lptop": no such name; did you mean laptop?\n'


def test_a_mistake_on_the_command_line_does_not_blame_the_file_alone(
    study_data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study_data))
    with pytest.raises(SystemExit):
        study_of({**study_data, "alpha": 5}, [str(file)], "config/machines.yaml")
    assert capsys.readouterr().err.startswith(f"{file}, changed by --config: 1 problem\n")
    study_data["alpha"] = 5
    file.write_text(yaml.safe_dump(study_data))
    with pytest.raises(SystemExit):
        study_of(study_data, [str(file)], "config/machines.yaml")
    assert capsys.readouterr().err.startswith(f"{file}: 1 problem\n")


def test_a_folder_of_texts_that_is_not_there_is_told_before_anything_runs(
    study_data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts"
    study_data["corpora"]["text"]["sources"] = [{"path": str(texts), "files": ["*.txt"]}]
    study = study_of(study_data, [], "config/machines.yaml")
    with pytest.raises(SystemExit) as stopped:
        check_folders(study)
    assert stopped.value.code == 2
    assert f"corpora.text: path: '{texts}': no such folder" in capsys.readouterr().err
    texts.mkdir()
    check_folders(study)


def test_a_folder_of_a_data_set_that_is_not_there_is_told_before_anything_runs(
    study_data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = str(tmp_path / "rows")
    study_data["corpora"]["text"]["sources"] = [{"dataset": rows}]
    assert f"corpora.text: dataset: '{rows}': no such folder" in stopped(study_data, capsys)
    (tmp_path / "rows").mkdir()
    check_folders(study_of(study_data, [], "config/machines.yaml"))


@pytest.fixture
def texts(study_data: dict[str, Any], tmp_path: Path) -> Path:
    """A folder of texts, which the study reads."""
    folder = tmp_path / "my texts"
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    study_data["corpora"]["text"]["sources"] = [{"path": str(folder), "files": ["*.txt"]}]
    return folder


def stopped(study_data: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """The line with which the study ends before anything runs."""
    with pytest.raises(SystemExit) as ended:
        check_folders(study_of(study_data, [], "config/machines.yaml"))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_a_file_from_the_future_is_told_with_a_command_that_helps(
    study_data: dict[str, Any], texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Snakemake would remove what is made from it, which looks older than its input."""
    file, later = texts / "a.txt", time.time() + 3600
    os.utime(file, (later, later))
    said = stopped(study_data, capsys)
    assert said.startswith(f"{file}: was changed in the future")
    subprocess.run(["bash", "-c", said.split("`")[1]], check=True)
    check_folders(study_of(study_data, [], "config/machines.yaml"))


def test_a_file_from_the_future_is_found_wherever_the_study_names_it(
    study_data: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = time.time() + 3600
    rows, model = tmp_path / "rows.json", tmp_path / "model.safetensors"
    for file in (rows, model):
        file.touch()
        os.utime(file, (later, later))
    shape = {"vocabulary": 512, "context": 16, "width": 16, "heads": 2, "layers": 1}
    others = {"pretrained": {"theirs": {"path": str(tmp_path), "model": shape}}}
    assert str(model) in stopped({**study_data, **others}, capsys)
    protocol = {"instructions": "mine", "epochs": 1, "patience": None, "dropout": 0.0}
    mine = {"kind": "file", "path": str(rows), "train": 8, "test": 4}
    tuning = {"instructions": {"mine": mine}, "protocols": {"once": protocol}}
    assert str(rows) in stopped({**study_data, "finetuning": tuning}, capsys)


def test_a_name_that_is_not_utf8_is_told(
    study_data: dict[str, Any], texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(os.fsdecode(os.fsencode(texts) + b"/caf\xe9.txt")).write_text("text")
    assert "my texts/caf\N{REPLACEMENT CHARACTER}.txt: its name is not UTF-8; rename" in stopped(
        study_data, capsys
    )
