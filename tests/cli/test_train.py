"""Test the errors of `noiseband train` if its inputs do not exist."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import run


def test_train_outside_the_workflow_says_what_to_make_first(small: Path) -> None:
    done = run("train", "--config", small, "--run", "baseline-42", "--out", small.parent / "out")
    assert done.returncode == 2
    assert f" --config {small}" in done.stderr


def test_training_on_from_a_run_that_is_not_there_says_how_to_make_it(small: Path) -> None:
    folder = small.parent / "results" / "tokens" / "pocket"
    folder.mkdir(parents=True)
    for name in ("train.safetensors", "vocabulary.tiktoken"):
        (folder / name).touch()
    for name, file in (
        ("extended", "runs/baseline-42/model.safetensors"),
        ("baseline-42", "init/v2048-c96-w16-h2-l1-keyed-42.safetensors"),
    ):
        done = run("train", "--config", small, "--run", name, "--out", small.parent / "out")
        assert done.returncode == 2
        path = small.parent / "results" / file
        assert f"make it: noiseband run {path} --config {small}" in done.stderr
