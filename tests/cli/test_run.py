"""`noiseband run`: any order of words, any folder, and Snakemake's exit status."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

TARGET = "results/replication/runs/8xa100m40-baseline/test_loss.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one's own outside the repository, with blanks and quotes in its name."""
    made = tmp_path / "it's mine"
    made.mkdir()
    shutil.copy(ROOT / "config/replication.yaml", made / "my study.yaml")
    return made


def started(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "noiseband", "run", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_target_may_come_after_the_config_and_options_of_snakemake_last(folder: Path) -> None:
    done = started(folder, "-n", "--config", "my study.yaml", TARGET, "--", "--quiet", "rules")
    assert done.returncode == 0, done.stderr
    planned = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert "evaluate" in planned and "report" not in planned


def test_the_exit_status_is_snakemakes(folder: Path) -> None:
    done = started(folder, "--config", "my study.yaml", "results/replication/no-such-file")
    assert done.returncode == 1
    assert "MissingRuleException" in done.stderr
