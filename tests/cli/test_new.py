"""`noiseband new`: both kinds of study are valid, and the commands that it prints work."""

from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.study import load_study
from tests.project import ROOT
from tests.workflow.project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("new"), ROOT / "config/config.yaml")


def test_a_study_of_a_command_runs_by_the_commands_that_are_printed(project: Project) -> None:
    made = project.noiseband("new", "studies/mine")
    assert made.returncode == 0, made.stderr
    for line in made.stdout.splitlines():
        program, *words = line.split()
        assert program == "noiseband"
        done = project.noiseband(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (project.results / "mine/report.html").exists()
    assert '"identical": true' in (project.results / "mine/verify/baseline-again.json").read_text()


def test_a_study_of_the_built_in_trainer_can_be_planned(project: Project) -> None:
    made = project.noiseband("new", "theirs", "--trainer", "builtin")
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    assert lines == [
        "noiseband runs --config theirs/config.yaml",
        "noiseband run --config theirs/config.yaml",
    ]
    listed = project.noiseband(*lines[0].split()[1:])
    assert "baseline-again  200 steps  repeat of baseline-1" in listed.stdout
    planned = project.noiseband(*lines[1].split()[1:], "--dry-run")
    assert planned.returncode == 0, planned.stderr
    study = load_study(project.folder / "theirs/config.yaml")
    assert study.config.trainer is None
    assert study.config.corpora == load_study(ROOT / "config/config.yaml").config.corpora


def test_a_folder_that_exists_or_has_no_usable_name_is_refused(project: Project) -> None:
    for name, said in (("src", "src: exists already"), ("a,b", "a,b: a study's name consists of")):
        refused = project.noiseband("new", name)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert not Path(project.folder / "a,b").exists()
