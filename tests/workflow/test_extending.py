"""The page on training scripts of one's own: its script, its study and its commands, as shown."""

from __future__ import annotations

import csv
import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT
from tests.workflow.project import Project

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_script_runs_by_itself_before_the_change(tmp_path: Path) -> None:
    before, _ = blocks("python")
    script = tmp_path / "train.py"
    script.write_text(before)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"error 0\.\d+\n", done.stdout)


def test_five_lines_change_besides_imports() -> None:
    before, after = (block.splitlines() for block in blocks("python"))
    new = [line[2:] for line in difflib.ndiff(before, after) if line.startswith("+ ")]
    new = [line for line in new if line and not line.startswith("import ")]
    assert [line.rpartition("# ")[2] for line in new] == ["1", "2", "3", "4", "5"]


def test_the_commands_lead_to_a_report(tmp_path: Path) -> None:
    (study,) = blocks("yaml")
    _, script = blocks("python")
    (shell,) = blocks("sh")
    file = tmp_path / "my-study.yaml"
    file.write_text(study)
    made = Project(tmp_path / "project", file)
    (made.folder / "my-study.yaml").write_text(study)
    (made.folder / "train.py").write_text(script)
    said = {}
    for line in shell.splitlines():
        program, *words = line.split()
        assert program == "noiseband"
        done = made.noiseband(*words)
        assert done.returncode == 0, line + done.stdout + done.stderr
        said[words[0]] = done.stdout
    assert "momentum: 0.0 -> 0.8" in said["runs"]
    assert said["plan"].count("  done") == 1
    assert "error, lower is better" in said["verdicts"]
    with open(made.results / "curve/tables/verdicts.csv", newline="") as table:
        verdicts = {row["intervention"]: row["verdict"] for row in csv.DictReader(table)}
    assert verdicts.keys() == {"momentum", "longer", "slower"}
    assert verdicts["slower"] == "hurts"
    assert (made.results / "curve/report.html").exists()


@pytest.mark.parametrize("key", ["trace", "samples", "weights", "export"])
def test_every_output_is_in_the_contract(key: str) -> None:
    assert f"| `outputs.{key}` |" in PAGE
