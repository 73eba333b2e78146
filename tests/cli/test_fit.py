"""Test the output and the exit status of `noiseband fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from noiseband.study import load_study
from noiseband.train.fit import with_microbatch
from tests.cli.command import run


@pytest.fixture
def config(tmp_path: Path, study_data: dict[str, Any]) -> Path:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study_data))
    return file


def test_the_verdict_names_both_recipes(config: Path) -> None:
    done = run("fit", "--config", config, "--memory", "20GB")
    assert done.returncode == 0, done.stderr
    assert "Largest microbatch that fits: 8; the recipe's is 2." in done.stdout
    recipe = load_study(config).runs["baseline-42"].built_in
    for microbatch in (2, 8):
        assert with_microbatch(recipe, microbatch).digest[:16] in done.stdout
    assert "at most 1, not 4" in done.stdout


def test_exit_1_where_nothing_fits(config: Path) -> None:
    config.write_text(config.read_text().replace("microbatch: 2", "microbatch: 1"))
    done = run("fit", "--config", config, "--memory", "10MB")
    assert done.returncode == 1
    assert "not even microbatch 1 fits" in done.stdout


@pytest.mark.parametrize(
    ("option", "said"),
    [("--memory=much", "--memory much: not a size"), ("--run=x", "--run x: no such run")],
)
def test_bad_input(config: Path, option: str, said: str) -> None:
    done = run("fit", "--config", config, option)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
