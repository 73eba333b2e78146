"""Test `noiseband init`."""

from __future__ import annotations

import json
from pathlib import Path

from noiseband.io.digests import file_digests
from noiseband.study import Section, load_study
from noiseband.study.params import InitParams
from tests.cli.command import run


def test_init_writes_weights_with_their_digests(tmp_path: Path) -> None:
    done = run("init", "--run", "baseline-1", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    digests = json.loads((tmp_path / "init.json").read_text())
    assert digests == file_digests(tmp_path / "init.safetensors")
    assert done.stdout.startswith(digests["sha256"])


def test_params_travel_as_text() -> None:
    recipe = load_study("config/config.yaml").runs["qkv-bias-1"].built_in
    params = InitParams.of(recipe)
    assert InitParams.model_validate_json(params.text) == params
    assert isinstance(params, Section)
    assert params.model.dropout == 0.0


def test_nothing_is_drawn_for_a_run_that_continues_another(small: Path) -> None:
    out = small.parent / "out"
    done = run("init", "--config", small, "--run", "extended", "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    weights = small.parent / "results/runs/baseline-42/model.safetensors"
    assert f"starts from the final weights of baseline-42, which are (or will be) {weights}" in (
        done.stderr
    )
    assert done.stderr.count("\n") == 1
    assert not out.exists()
