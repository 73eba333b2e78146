"""The page on ideas of one's own: its file, its study and its commands, and what an edit reruns."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
import yaml

from tests.project import ROOT
from tests.workflow.project import Project

PAGE = (ROOT / "docs/ideas.md").read_text(encoding="utf-8")
LEAKY = {f"{name}-{seed}" for name in ("leaky", "leakier") for seed in (1, 2, 3)}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The page's file and study."""
    folder = tmp_path_factory.mktemp("ideas")
    file = folder / "my-study.yaml"
    study, _ = blocks("yaml")
    file.write_text(study)
    project = Project(folder / "project", file)
    (project.folder / "my-study.yaml").write_text(study)
    (project.folder / "ideas.py").write_text(blocks("python")[0])
    return project


@pytest.fixture(scope="module")
def said(made: Project) -> dict[str, str]:
    """What each of the page's commands printed."""
    (shell,) = blocks("sh")
    printed = {}
    for line in shell.splitlines():
        program, *words = line.split()
        assert program == "noiseband"
        done = made.noiseband(*words)
        assert done.returncode == 0, line + done.stdout + done.stderr
        printed[words[0]] = done.stdout
    return printed


def test_the_idea_takes_fifteen_lines() -> None:
    lines = [line for line in blocks("python")[0].splitlines() if line]
    assert len(lines) <= 15


def test_the_commands_lead_to_a_verdict(made: Project, said: dict[str, str]) -> None:
    assert said["check"].count("holds") == 12 and "BROKEN" not in said["check"]
    assert "model.feed_forward.kind: gelu-tanh -> ideas.leaky" in said["runs"]
    assert "model.feed_forward.options.share: null -> 0.5" in said["runs"]
    with open(made.results / "leaky/tables/verdicts.csv", newline="") as table:
        verdicts = {row["intervention"]: row["verdict"] for row in csv.DictReader(table)}
    assert verdicts.keys() == {"leaky", "leakier"}
    assert (made.results / "leaky/report.html").exists()


@pytest.mark.usefixtures("said")
def test_what_reads_the_study_knows_the_idea(made: Project, tmp_path: Path) -> None:
    options = ("--config", "my-study.yaml")
    done = made.noiseband("export", "leaky-1", str(tmp_path / "export"), *options)
    assert done.returncode == 2
    assert "model.feed_forward.kind: ideas.leaky" in done.stderr, done.stderr
    done = made.noiseband("plan", *options)
    assert done.returncode == 0, done.stderr
    assert "Ideas in the models of 6 runs (leaky-1, …)" in done.stdout
    done = made.noiseband("crate", "--out", str(tmp_path / "crate"), *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "crate/plugins/ideas.py").read_text() == blocks("python")[0]


def test_the_other_ideas_of_the_page_keep_the_promises(made: Project) -> None:
    (made.folder / "more.py").write_text(blocks("python")[1])
    done = made.noiseband("check", "more.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [*re.findall(r"^more.py:\d+: (\w+ more\.\w+)", done.stdout, re.MULTILINE)] == [
        "optimizer more.lion", "schedule more.triangle", "loss more.focal", "metric more.top5",
    ]  # fmt: skip


@pytest.mark.usefixtures("said")
def test_an_edit_of_the_code_trains_the_runs_that_use_it(made: Project) -> None:
    """An edit of a comment runs nothing."""
    options = ("--configfile", "my-study.yaml")
    with made.edited("ideas.py", "import noiseband\n", "# a comment\nimport noiseband\n"):
        assert made.planned(*options) == {}
    with made.edited("ideas.py", "self.up(x), self.share", "self.up(x), self.share + 0.1"):
        assert made.planned(*options)["train"] == LEAKY


def test_a_metric_of_ones_own_has_a_verdict(made: Project, tmp_path: Path) -> None:
    (made.folder / "more.py").write_text(blocks("python")[1])
    study, more = (
        yaml.safe_load(block.replace("ideas.top5", "more.top5")) for block in blocks("yaml")
    )
    study |= more | {"plugins": ["ideas.py", "more.py"]}
    (made.folder / "metric.yaml").write_text(yaml.safe_dump(study))
    done = made.snakemake("--configfile", "metric.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    with open(made.results / "leaky/tables/metric-verdicts.csv", newline="") as table:
        judged = {row["metric"] for row in csv.DictReader(table)}
    assert "own.top5" in judged
