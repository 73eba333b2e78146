"""The source files of a stage, its deterministic artefacts, and mistakes found by the Snakefile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.dag.workflow import check_folders, study_of
from noiseband.source_code import source_files
from noiseband.study import parse_study
from noiseband.study.artefacts import deterministic_artefacts


def names(*stages: str) -> set[str]:
    return {
        str(Path(file).resolve().relative_to(Path("src/noiseband").resolve()))
        for file in source_files(*stages)
    }


def test_training_depends_on_what_it_imports() -> None:
    found = names("train")
    assert {
        "train/loop.py",
        "train/tree.py",
        "model/gpt.py",
        "io/files.py",
        "io/digests.py",
    } <= found


def test_no_rule_depends_on_the_study_or_the_command_line() -> None:
    for stage in ("corpus", "model", "train", "evaluate", "finetune", "judge", "repro", "report"):
        assert not any(name.startswith(("study/", "cli/", "dag/")) for name in names(stage))


def test_training_does_not_depend_on_later_stages() -> None:
    later = ("report/", "stats/", "judge/", "evaluate/", "finetune/")
    assert not any(name.startswith(later) for name in names("train"))
    assert not any(name.startswith(("train/", "model/", "report/")) for name in names("stats"))


def test_counting_contamination_differently_measures_no_loss_again() -> None:
    counting = {"evaluate/contamination.py", "evaluate/spans.py"}
    assert counting < names("evaluate.contamination")
    assert names("evaluate.loss").isdisjoint(counting)


def test_the_order_is_fixed() -> None:
    assert source_files("train") == sorted(source_files("train"))


def test_a_run_that_continues_another_is_digested_like_any_and_has_no_init(
    study_data: dict[str, Any],
) -> None:
    before = set(map(str, deterministic_artefacts(parse_study(study_data))))
    study_data["runs"].append({"name": "extended", "continues": "baseline-42"})
    added = set(map(str, deterministic_artefacts(parse_study(study_data)))) - before
    names = ("recipe.json", "model.safetensors", "model.json", "trace.parquet", "samples.jsonl")
    assert added == {
        *(f"results/runs/extended/{name}" for name in (*names, "test_loss.json")),
        "results/contamination/text-16~text-0-2049.json",
    }


def test_a_machine_that_the_table_lacks_is_told_before_anything_runs(
    study_data: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert study_of(study_data, [], "config/machines.yaml").runs
    with pytest.raises(SystemExit) as stopped:
        study_of({**study_data, "machine": "lptop"}, [], "config/machines.yaml")
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said == 'machine: "lptop": no such name; did you mean laptop?\n'


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
