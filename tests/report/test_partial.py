"""The page of a study that is still running."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from noiseband.io.files import write_json
from noiseband.report.partial import write_partial
from noiseband.study import Study, parse_study
from noiseband.study.seen_questions import seen_questions
from noiseband.tracking.running import State, last_row, progress
from noiseband.train.checkpoint import locked
from tests.fake_runs import CLIPPING, FakeRun
from tests.page_tables import page_table
from tests.report.test_page import words_of
from tests.small_study import MACHINES, SEEN, write_study


@pytest.fixture
def study(study_data: dict[str, Any], tmp_path: Path) -> Study:
    return parse_study({**study_data, "results": str(tmp_path / "results")})


def finish(study: Study, *runs: FakeRun, models: Sequence[str] = ()) -> None:
    """Write the files of these runs as the workflow does, each with its recipe's digest."""
    write_study(study.results, runs, steps=32, models=models)
    for run in runs:
        card = study.results / "runs" / run.name / "recipe.json"
        digest = study.runs[run.name].built_in.digest
        write_json(card, {**json.loads(card.read_text()), "digest": digest})
        (card.parent / "model.safetensors").touch()


def finish_three(study: Study) -> str:
    """Two runs of the baseline, and one of `clip` with a lower loss, whose name is returned."""
    baselines = [name for name in study.runs if name.startswith("baseline")][:2]
    clip = next(name for name in study.runs if name.startswith("clip"))
    finish(
        study,
        *(
            FakeRun(name, 5.0 + place / 100, seeds=study.runs[name].seeds)
            for place, name in enumerate(baselines)
        ),
        FakeRun(clip, 4.5, "clip", ["clip"], study.runs[clip].seeds, CLIPPING),
    )
    return clip


def work(study: Study, run: str) -> Path:
    folder = study.results / "work" / f"{run}-{study.runs[run].built_in.digest[:16]}"
    folder.mkdir(parents=True)
    (folder / "trace.jsonl").write_text(
        '{"step": 0, "loss": 7.5}\n{"step": 1, "loss": 7.25}\n{"step": 2, "lo'
    )
    return folder


def states(study: Study) -> dict[str, State]:
    return {one.run: one.state for one in progress(study)}


def test_every_state_is_told_from_the_others(study: Study) -> None:
    names = list(study.runs)
    assert set(states(study).values()) == {State.WAITING}
    baseline = next(name for name in names if name.startswith("baseline"))
    other = next(name for name in names if name.startswith("clip"))
    finish(study, FakeRun(baseline, 5.0))
    folder = work(study, other)
    assert states(study)[baseline] == State.FINISHED
    assert states(study)[other] == State.STOPPED
    with locked(folder):
        assert states(study)[other] == State.TRAINING
    found = next(one for one in progress(study) if one.run == other)
    assert (found.steps_done, found.loss) == (2, 7.25)
    (study.results / "runs" / baseline / "test_loss.json").unlink()
    assert states(study)[baseline] == State.TRAINED
    # Weights from an earlier recipe do not belong to this run.
    write_json(study.results / "runs" / baseline / "recipe.json", {"digest": "another"})
    assert states(study)[baseline] == State.WAITING


def test_the_last_row_of_a_long_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(f'{{"step": {n}, "loss": 1.5}}\n' for n in range(5000)))
    assert last_row(trace) == {"step": 4999, "loss": 1.5}
    trace.write_text("")
    assert last_row(trace) is None
    assert last_row(tmp_path / "none") is None


def test_before_the_baseline_there_is_progress_alone(study: Study, tmp_path: Path) -> None:
    work(study, next(iter(study.runs)))
    out = tmp_path / "page.html"
    write_partial(study, MACHINES, out, refresh=10)
    page = out.read_text()
    assert "The answers appear once the first run of the baseline is finished" in page
    assert page.count("<section") == 1
    assert f"2 of {next(iter(study.runs.values())).built_in.steps:,}" in page
    assert 'http-equiv="refresh" content="10"' in page


def test_finished_runs_are_shown_in_full(study: Study, tmp_path: Path) -> None:
    clip = finish_three(study)
    out = tmp_path / "page.html"
    write_partial(study, MACHINES, out)
    page = out.read_text()
    assert "This page is partial" in page
    assert f"3 runs of {len(study.runs)} are finished" in page
    assert '<section id="results"' in page
    assert f"<bdi>{clip}</bdi>" in page
    assert "refresh" not in page
    assert not (study.results / "tables" / "runs.csv").exists(), "the workflow's own stay"
    again = tmp_path / "again.html"
    write_partial(study, MACHINES, again)
    assert again.read_bytes() == out.read_bytes()


def test_seen_questions_of_the_models_that_have_answered(
    study_data: dict[str, Any], tmp_path: Path
) -> None:
    rows = {"kind": "factbook", "package": "p", "version": "1.0", "rows": 40}
    protocol = {"instructions": "facts", "epochs": 1, "patience": None, "dropout": 0.0}
    study_data["finetuning"] = {"instructions": {"facts": rows}, "protocols": {"alpaca": protocol}}
    study = parse_study({**study_data, "results": str(tmp_path / "results")})
    runs = [FakeRun(f"baseline-{seed}", 5.0, seeds=(seed, seed)) for seed in (42, 22)]
    finish(study, *runs, models=["baseline-42/alpaca/42"])
    out = tmp_path / "page.html"
    write_partial(study, MACHINES, out)
    said = words_of(out.read_text())
    assert "The rule seen_questions has not written" in said
    assert "No run of an intervention is finished yet." in said
    assert "The study has no interventions" not in said
    (name,) = seen_questions(study)
    made = study.paths.seen_questions(SEEN)
    write_json(study.paths.seen_questions(name), json.loads(made.read_text()))
    write_partial(study, MACHINES, out)
    rows_shown = page_table(out.read_text(), "seen-questions-caption")
    assert [row["Models"] for row in rows_shown] == ["baseline-42"] * 2


def test_watching_ends_with_the_last_run(study_data: dict[str, Any], tmp_path: Path) -> None:
    study = parse_study({**study_data, "results": str(tmp_path / "results")})
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump({**study_data, "results": str(tmp_path / "results")}))
    finish(study, *(FakeRun(run.name, 5.0, seeds=run.seeds) for run in study.runs.values()))
    done = subprocess.run(
        [sys.executable, "-m", "noiseband", "report", "--watch", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(study.runs)} finished" in done.stderr
    assert "refresh" not in (tmp_path / "results" / "partial.html").read_text()


def test_the_command(study_data: dict[str, Any], tmp_path: Path) -> None:
    config = tmp_path / "study.yaml"
    results = tmp_path / "results"
    config.write_text(yaml.safe_dump({**study_data, "results": str(results)}))
    done = subprocess.run(
        [sys.executable, "-m", "noiseband", "report", "--partial", "--config", str(config)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "waiting" in done.stderr
    assert "Still running" in (results / "partial.html").read_text()
