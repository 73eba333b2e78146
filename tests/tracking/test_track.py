"""Traces are sent to trackers, and read back with the trackers' own tools."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from noiseband.errors import UserError
from noiseband.io.traces import Row, write_trace
from noiseband.study import Study, parse_study
from noiseband.tracking.running import progress
from noiseband.tracking.track import SHOWN
from noiseband.tracking.track import track as send
from noiseband.tracking.trackers import TRACKERS
from tests.conftest import STUDY


@pytest.fixture
def study(study_data: dict[str, Any], tmp_path: Path) -> Study:
    data = {**study_data, "results": str(tmp_path / "results")}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(data))
    return parse_study(data)


def rows(steps: int) -> list[Row]:
    losses = [math.nan if n == 3 else 8 / (n + 1) for n in range(steps)]
    return [Row(n, losses[n], 0.01, 1.5, n % 2 == 0, n == 3, 7) for n in range(steps)]


def grow(study: Study, run: str, steps: int) -> None:
    """Write the files of a run in training after some steps, in the middle of the next line."""
    folder = study.results / "work" / f"{run}-{study.runs[run].built_in.digest[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(asdict(row)) + "\n" for row in rows(steps))
    (folder / "trace.jsonl").write_text(lines + '{"step": ')


def finish(study: Study, run: str, steps: int) -> None:
    folder = study.results / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    write_trace(folder / "trace.parquet", rows(steps))
    (folder / "recipe.json").write_text(json.dumps({"digest": study.runs[run].built_in.digest}))
    (folder / "model.safetensors").touch()


def track(folder: Path, to: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["track", "--to", to, "--config", str(folder / "study.yaml"), *options]
    environment = {name: value for name, value in os.environ.items() if name[:8] != "TRACKIO_"}
    done = subprocess.run(
        [sys.executable, "-m", "noiseband", *command],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


def in_tensorboard(folder: Path, run: str) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder / run), size_guidance={"scalars": 0})
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(f"train/{name}")]
        for name in SHOWN
    }


def in_trackio(folder: Path, run: str) -> dict[str, list[tuple[int, float]]]:
    def metric(name: str) -> list[tuple[int, float]]:
        which = ["--project", "small", "--run", run, "--metric", name]
        said = subprocess.run(
            ["trackio", "get", "metric", "--json", *which],
            env={**os.environ, "TRACKIO_DIR": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        return [(one["step"], float(one["value"])) for one in json.loads(said.stdout)["values"]]

    return {name: metric(name) for name in SHOWN}


READERS = {"tensorboard": in_tensorboard, "trackio": in_trackio}


@pytest.mark.parametrize("to", READERS)
def test_a_run_is_sent_as_it_grows_each_step_once(study: Study, tmp_path: Path, to: str) -> None:
    run = next(iter(study.runs))
    name = f"{run}-{study.runs[run].built_in.digest[:8]}"
    folder = study.results / "work" / to
    grow(study, run, 5)
    assert f"{run}: 5 steps" in track(tmp_path, to).stderr
    grow(study, run, 4)  # the run was killed and has resumed from a checkpoint
    assert "steps" not in track(tmp_path, to).stderr
    finish(study, run, 9)
    done = track(tmp_path, to)
    assert f"{run}: 4 steps" in done.stderr
    shown_by = {
        "tensorboard": f"tensorboard --logdir {folder}",
        "trackio": f"TRACKIO_DIR={folder} trackio show",
    }
    assert done.stdout.splitlines() == [shown_by[to]]
    expected = {
        column: [(row.step, float(getattr(row, column))) for row in rows(9)] for column in SHOWN
    }
    found = READERS[to](folder, name)
    for column in SHOWN:
        assert [step for step, _ in found[column]] == list(range(9)), column
        assert [value for _, value in found[column]] == pytest.approx(
            [value for _, value in expected[column]], nan_ok=True
        ), column


def test_watching_ends_with_the_last_run(study: Study, tmp_path: Path) -> None:
    for run in study.runs:
        finish(study, run, 2)
    said = track(tmp_path, "tensorboard", "--watch").stderr
    assert all(f"{run}: 2 steps" in said for run in study.runs)


def test_a_tracker_that_is_not_installed(study: Study, tmp_path: Path) -> None:
    grow(study, next(iter(study.runs)), 2)
    blocked = (
        "import sys; sys.modules['tensorboard'] = None; sys.modules['trackio'] = None\n"
        "from noiseband.cli import main; main()"
    )
    for to in READERS:
        command = ["track", "--to", to, "--config", str(tmp_path / "study.yaml")]
        done = subprocess.run(
            [sys.executable, "-c", blocked, *command], capture_output=True, text=True
        )
        assert done.returncode == 2, done.stderr
        assert f"run `pip install 'noiseband[{to}]'`" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_tracker_that_nobody_knows(study: Study, tmp_path: Path) -> None:
    command = ["track", "--to", "paper", "--config", str(tmp_path / "study.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", "noiseband", *command], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert all(name in done.stderr for name in ("paper", *READERS))


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("growing") / "results"
    return parse_study({**STUDY, "results": str(folder)})


GOOD = [json.dumps(asdict(row)) for row in rows(4)]
LINES = st.sampled_from(GOOD) | st.text(max_size=12) | st.sampled_from(
    ["", "{}", "[]", "5", "null", "[" * 2000, '{"step": "1"}', '{"step": 1, "loss": null}',
     GOOD[0].replace("8.0", '"x"'), GOOD[0].replace("0.01", "[]"), GOOD[0][:-1] + ', "x": 1}']
)  # fmt: skip


@given(st.lists(LINES, max_size=6), st.binary(max_size=4))
def test_any_growing_trace_is_sent_as_far_as_it_is_one(
    growing: Study, lines: list[str], end: bytes
) -> None:
    run = next(iter(growing.runs))
    folder = growing.results / "work" / f"{run}-{growing.runs[run].built_in.digest[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*lines, ""]).encode(errors="surrogatepass")
    (folder / "trace.jsonl").write_bytes(text + end)
    progress(growing)
    sent: list[dict[str, float]] = []

    @contextmanager
    def tracker(
        study: str, run: str, recipe: dict[str, Any], folder: Path
    ) -> Iterator[Callable[[int, dict[str, float]], None]]:
        yield lambda step, values: sent.append(values)

    memory = growing.results / "tracker"
    shutil.rmtree(memory, ignore_errors=True)
    new = send(growing, tracker, memory)
    assert new.get(run, 0) == len(sent) <= len(lines)
    assert all(set(values) == set(SHOWN) for values in sent)


def test_a_memory_of_what_was_sent_that_is_none_is_named(study: Study, tmp_path: Path) -> None:
    (tmp_path / "sent.json").write_text("{oops")
    with pytest.raises(UserError, match=r"sent.json: not JSON .*remove it to send all again"):
        send(study, TRACKERS["tensorboard"], tmp_path)
