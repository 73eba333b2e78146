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
    return called(folder, [sys.executable, "-m", "noiseband", "run", *words])


def called(folder: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PATH": path}
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "missing.yaml"], "missing.yaml: cannot read the config"),
        (["--config", "broken.yaml"], "broken.yaml:2: not YAML"),
        (["--cores", "many"], "--cores many: use `all` or a whole number from 1"),
        (["--cores", "0"], "--cores 0: use `all` or a whole number from 1"),
    ],
)
def test_a_bad_value_is_one_line(folder: Path, words: list[str], message: str) -> None:
    (folder / "broken.yaml").write_text("model: [gpt2\n")
    done = started(folder, *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and message in done.stderr


def test_a_file_of_ones_own_may_be_called_like_a_module(folder: Path) -> None:
    for name in ("token", "random", "noiseband", "torch"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported by mistake')\n")
    done = called(folder, ["bash", "-c", "noiseband run -n --config 'my study.yaml' -- --quiet"])
    assert done.returncode == 0, done.stderr


def test_the_printed_command_repairs_a_file_where_it_is_printed(folder: Path) -> None:
    """With blanks and quotes in the names of folder, config and results, in a real shell."""
    study = folder / "my study.yaml"
    small = ROOT / "tests/workflow/study.yaml"
    study.write_text(small.read_text().replace("results: results", "results: Bob's results"))
    start = "Bob's results/init/v2048-c96-w16-h2-l1-keyed-42.safetensors"
    made = started(folder, start, "--config", "my study.yaml")
    assert made.returncode == 0, made.stderr
    file = folder / start
    before = file.read_bytes()
    file.write_bytes(b"damaged")
    command = [sys.executable, "-m", "noiseband", "intact", "--config", "my study.yaml"]
    found = called(folder, command)
    assert found.returncode == 1
    remedy = found.stderr.removeprefix("make them again: ")
    assert remedy.startswith("rm ") and "&& noiseband run" in remedy
    done = called(folder, ["bash", "-c", remedy])
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == before
    unlocked = started(folder, "--config", "my study.yaml", "--", "--unlock")
    assert unlocked.returncode == 0, unlocked.stderr
