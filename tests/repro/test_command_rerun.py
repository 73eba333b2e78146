"""Two runs that a command made are compared by every output that its trainer declares."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from noiseband.analysis.command_runs import identity
from noiseband.errors import UserError
from noiseband.io.digests import file_digests
from noiseband.io.files import write_json, write_jsonl
from noiseband.io.series import write_series
from noiseband.repro.command_rerun import compare_runs, verify_command_rerun


def run(folder: Path, name: str = "a-1") -> Path:
    """A finished run with every kind of output."""
    folder.mkdir()
    seconds = {"value": 3.0, "standard_error": None, "n": None}
    metrics = {"loss": {"value": 1.5, "standard_error": None, "n": 4}, "seconds": seconds}
    write_json(folder / "result.json", {"metrics": metrics, "steps": 2})
    write_json(folder / "recipe.json", {"run": name, "recipe": {"depth": 2}})
    write_series(folder / "trace.parquet", [0, 5], {"loss": [2.0, 1.0], "rate": [0.1, 0.2]})
    write_jsonl(folder / "samples.jsonl", [{"step": 1, "prompt": "a", "text": "b"}])
    save_file({"w": torch.ones(3), "b": torch.zeros(1)}, folder / "model.safetensors")
    write_json(folder / "model.json", file_digests(folder / "model.safetensors"))
    write_json(folder / "export.json", {"files": {"config.json": "1", "m.bin": "2"}})
    return folder


def other_metric(folder: Path) -> None:
    found = json.loads((folder / "result.json").read_text())
    found["metrics"]["loss"]["value"] = 1.25
    write_json(folder / "result.json", found)


def other_trace(folder: Path) -> None:
    write_series(folder / "trace.parquet", [0, 5], {"loss": [2.0, 1.0], "rate": [0.1, 0.3]})


def other_weights(folder: Path) -> None:
    save_file({"w": torch.ones(3), "b": -torch.zeros(1)}, folder / "model.safetensors")
    write_json(folder / "model.json", file_digests(folder / "model.safetensors"))


def other_samples(folder: Path) -> None:
    write_jsonl(folder / "samples.jsonl", [{"step": 1, "prompt": "a", "text": "c"}])


def other_export(folder: Path) -> None:
    write_json(folder / "export.json", {"files": {"config.json": "1", "m.bin": "3"}})


def no_trace(folder: Path) -> None:
    (folder / "trace.parquet").unlink()


def test_equal_outputs_are_identical(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a"), run(tmp_path / "b", "again")
    assert compare_runs(a, b).identical
    assert verify_command_rerun(a, b, tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["run"], found["original"], found["steps"]) == ("again", "a-1", 2)
    assert found["sha256"]["original"] == found["sha256"]["rerun"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_metric, "loss: 1.5 and 1.25"),
        (other_trace, "different from step 5 on, first in rate"),
        (other_weights, "weights: 1 of 2 tensors differ, first b"),
        (other_samples, "samples: other texts"),
        (other_export, "export: 1 files differ, first m.bin"),
        (no_trace, "trace.parquet: only the first has it"),
    ],
)
def test_each_output_that_differs_is_named(
    tmp_path: Path, change: Callable[[Path], None], said: str
) -> None:
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    change(b)
    found = compare_runs(a, b)
    assert not found.identical
    assert said in str(found)


def test_a_volatile_metric_may_differ(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    found = json.loads((b / "result.json").read_text())
    found["metrics"]["seconds"]["value"] = 4.0
    write_json(b / "result.json", found)
    assert not compare_runs(a, b).identical
    assert compare_runs(a, b, ("seconds",)).identical


def test_runs_without_weights_are_told_apart_by_their_other_outputs(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    other_metric(b)
    assert identity(a) == identity(b)  # the weights are equal
    for folder in (a, b):
        (folder / "model.json").unlink()
    assert identity(a) != identity(b)
    assert identity(a, ("loss",)) == identity(b, ("loss",))
    other_trace(b)
    assert identity(a, ("loss",)) != identity(b, ("loss",))


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not the folder of a finished run of a command"):
        compare_runs(run(tmp_path / "a"), tmp_path)


def test_runs_that_declare_metrics_alone_are_not_one_run_by_chance(tmp_path: Path) -> None:
    """An accuracy has few possible values, and other seeds may give the same."""
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    for folder in (a, b):
        for file in folder.iterdir():
            if file.name.startswith(("model", "trace", "samples")):
                file.unlink()
    assert identity(a, recipe="seed 1") != identity(b, recipe="seed 2")
    assert identity(a, recipe="seed 1") == identity(b, recipe="seed 1")  # a repeat
