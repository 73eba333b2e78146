"""A study whose runs a command makes: from its script to its page, and every command for people."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.project import Project

STUDY = """
study: mine
trainer:
  command: python train.py {recipe} {out}
  files: [train.py]
  seeds: [train_seed]
  outputs: {trace: trace.csv}
  gpus: 0
metrics:
  score: {better: higher, unit: points}
  seconds: {better: lower, unit: s, volatile: true}
recipe: {level: 10, chance: false, note: plain}
interventions:
  up: {level: 12}
  chance: {chance: true}
seeds: {default: [1, 2]}
noise: {init_and_train: [1, 2, 3]}
runs:
  - {name: again, repeat_of: baseline-1}
  - {name: chance-again, repeat_of: chance-1}
baseline: baseline-1
"""

SCRIPT = """
import json, random, sys
from pathlib import Path

recipe, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
chance = random.Random(None if recipe["chance"] else recipe["train_seed"])
rows = [f"{step},{10 - step + chance.random()}" for step in range(0, 9, 2)]
(out / "trace.csv").write_text("step,loss\\n" + "\\n".join(rows) + "\\n")
score = {"value": recipe["level"] + chance.random() / 10, "n": 9}
(out / "result.json").write_text(json.dumps({"metrics": {"score": score}, "tokens": 900}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The study, finished."""
    folder = tmp_path_factory.mktemp("command")
    study = folder / "study.yaml"
    study.write_text(STUDY)
    made = Project(folder / "project", study)
    (made.folder / "train.py").write_text(SCRIPT)
    before = made.noiseband("plan")
    assert before.returncode == 0, before.stderr
    assert "No run is finished" in before.stdout
    waiting = made.noiseband("report", "--partial")
    assert waiting.returncode == 0, waiting.stderr
    done = made.snakemake()
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def rows(project: Project, table: str) -> list[dict[str, str]]:
    with open(project.results / "tables" / f"{table}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_every_intervention_has_a_verdict_where_higher_is_better(project: Project) -> None:
    verdicts = {row["intervention"]: row for row in rows(project, "verdicts")}
    assert verdicts["up"]["verdict"] == "helps"
    assert float(verdicts["up"]["effect"]) == pytest.approx(2, abs=0.2)
    # Its scores are drawn afresh in every test, so one in twenty of its verdicts is another.
    assert verdicts["chance"]["verdict"] != "identical"
    assert float(verdicts["chance"]["effect"]) == pytest.approx(0, abs=0.1)
    runs = {row["run"]: row for row in rows(project, "runs")}
    assert runs["baseline-1"]["steps"] == "9"
    assert runs["baseline-1"]["tokens"] == "900"
    assert runs["baseline-1"]["clipped_steps"] == ""
    assert runs["again"]["weights_sha256"] == runs["baseline-1"]["weights_sha256"]
    assert len({row["weights_sha256"] for row in runs.values()}) == len(runs) - 1


def test_seconds_are_a_volatile_metric_of_every_run(project: Project) -> None:
    measured = rows(project, "volatile-measurements")
    assert {row["run"] for row in measured} == {row["run"] for row in rows(project, "runs")}
    assert {row["metric"] for row in measured} == {"seconds"}


def test_a_trainer_that_does_not_repeat_is_a_finding_and_its_noise_is_measured(
    project: Project,
) -> None:
    assert read(project.results / "verify/again.json")["identical"] is True
    found = read(project.results / "verify/chance-again.json")
    assert found["identical"] is False
    assert found["divergence"]["step"] == 0
    assert found["divergence"]["columns"] == ["loss"]
    assert "score" in found["divergence"]["note"]
    noise = {row["component"]: row for row in rows(project, "noise")}
    assert noise["rerun"]["runs"] == "chance-1;chance-again"
    scores = {row["run"]: float(row["value"]) for row in rows(project, "measurements")}
    apart = abs(scores["chance-1"] - scores["chance-again"])
    assert float(noise["rerun"]["sd"]) == pytest.approx(apart / 2**0.5)
    page = (project.results / "report.html").read_text()
    assert "The trainer does not repeat its results: 1 rerun of 2 ended elsewhere" in page
    assert "The row “rerun” has runs with the same recipe and seeds" in page


def test_the_page_shows_what_a_command_gives_and_nothing_of_the_built_in_trainer(
    project: Project,
) -> None:
    page = (project.results / "report.html").read_text()
    assert "higher: better" in page
    assert 'id="training"' in page
    assert "900" in page
    for section in ("corpus", "finetuning", "samples"):
        assert f'id="{section}"' not in page
    assert "Bits per byte" not in page
    assert "Initial weights" not in page
    assert "level=12" in page or ">level<" in page


def test_nothing_runs_again_until_the_script_or_the_recipe_changes(project: Project) -> None:
    assert project.planned() == {}
    with project.edited("train.py", "9, 2", "9, 4"):
        assert set(project.planned()["train_command"]) == set()
        text = project.snakemake("-n").stdout
        assert text.count("Job ") >= 9
    with project.edited("config/config.yaml", "level: 12", "level: 13"):
        planned = project.snakemake("-n")
        said = planned.stdout + planned.stderr
        assert "Training up-1" in said
        assert "Training baseline-1" not in said
    with project.edited("config/config.yaml", "gpus: 0", "gpus: 0\n  threads: 2"):
        assert "Training" not in (project.snakemake("-n").stdout)


def test_plan_prices_the_study_by_its_finished_runs(project: Project) -> None:
    found = project.noiseband("plan")
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("  done") == 9
    assert "No run is finished" not in found.stdout
    removed = project.results / "runs/up-2/recipe.json"
    text = removed.read_text()
    try:
        removed.unlink()
        again = project.noiseband("plan").stdout
        assert again.count("  done") == 8
        (line,) = (line for line in again.splitlines() if line.startswith("up-2"))
        assert "–" not in line.split()[1]
    finally:
        removed.write_text(text)


def test_two_runs_are_compared_by_all_that_they_declare(project: Project) -> None:
    runs = "results/runs"
    same = project.noiseband("verify", f"{runs}/baseline-1", f"{runs}/again")
    assert (same.returncode, same.stdout.startswith("identical")) == (0, True)
    other = project.noiseband("diverge", f"{runs}/baseline-1", f"{runs}/up-1")
    assert other.returncode == 1
    assert "recipes differ: level: 10 -> 12" in other.stdout
    assert "score: " in other.stdout
    built_in = project.noiseband("train", "--run", "baseline-1", "--out", "x")
    assert built_in.returncode == 2
    assert built_in.stderr.count("\n") == 1
    assert "the study's trainer is a command" in built_in.stderr


def test_a_run_can_be_made_afresh_and_compared_on_demand(project: Project) -> None:
    done = project.snakemake("results/verify/up-1.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert read(project.results / "verify/up-1.json")["identical"] is True


def test_intact_report_track_and_crate_know_such_runs(project: Project) -> None:
    assert project.noiseband("intact").returncode == 0
    manifest = project.manifest
    rebuilt = project.noiseband("report")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert project.manifest == manifest
    partial = project.noiseband("report", "--partial")
    assert partial.returncode == 0, partial.stderr
    assert (project.results / "partial.html").read_text().count("higher: better") == 1
    verdicts = project.noiseband("verdicts")
    assert verdicts.returncode == 0, verdicts.stderr
    assert "score, higher is better" in verdicts.stdout
    crate = project.noiseband("crate", "--out", "mine.zip")
    assert crate.returncode == 0, crate.stderr
    with zipfile.ZipFile(project.folder / "mine.zip") as file:
        names = set(file.namelist())
    assert {"trainer/train.py", "config.json", "runs/up-1/result.json"} <= names
    with zipfile.ZipFile(project.folder / "mine.zip") as file:
        config = json.loads(file.read("config.json"))
    assert config["recipe"] == {"level": 10, "chance": False, "note": "plain"}


def test_a_command_that_fails_stops_the_study_with_its_last_line(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(STUDY)
    made = Project(tmp_path / "project", study)
    (made.folder / "train.py").write_text("raise SystemExit('no such data')")
    failed = made.snakemake("results/runs/baseline-1/result.json")
    assert failed.returncode != 0
    assert "failed (exit status 1); its last line: no such data" in failed.stdout + failed.stderr
    assert not (made.results / "runs/baseline-1/result.json").exists()
