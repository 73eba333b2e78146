"""Find how far each run of a study has come, from its files on disk."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from noiseband.io.files import read_json
from noiseband.io.series import last_logged
from noiseband.study import Run, Study
from noiseband.study.command_params import RESULT, trainer_of
from noiseband.study.free_recipe import CommandRecipe
from noiseband.study.weight_averages import average_names

FILES = ("recipe.json", "model.json", "trace.parquet", "test_loss.json", "test_documents.csv")
"""The files that a run needs before it can be in the tables."""
TAIL = 4096
"""A number of bytes at the end of a trace that always includes its last whole row."""


class State(StrEnum):
    """The state of a run."""

    WAITING = "waiting"
    TRAINING = "training"
    STOPPED = "stopped"
    """Started, but no process is training it; the next start resumes from its newest checkpoint."""
    TRAINED = "trained, not yet tested"
    FINISHED = "finished"


@dataclass(frozen=True)
class RunProgress:
    """The progress of one run."""

    run: str
    state: State
    steps_done: int
    steps: int | None
    """None for a run of a command, which alone knows how many it takes."""
    loss: float | None
    """The training loss of the last step, in nats."""


def progress(study: Study) -> list[RunProgress]:
    """The progress of all runs, in the order of the study."""
    return [_progress(study, run) for run in study.runs.values()]


def _progress(study: Study, run: Run) -> RunProgress:
    if isinstance(run.recipe, CommandRecipe):
        return _of_command(study, run)
    folder, steps = study.paths.run(run.name), run.recipe.steps
    if made_by(folder, run):
        tested = all((folder / name).exists() for name in FILES) and _evaluated(study, run)
        return RunProgress(
            run.name, State.FINISHED if tested else State.TRAINED, steps, steps, None
        )
    work = study.paths.training(run.name, run.recipe)
    row = last_row(work / "trace.jsonl")
    if row is None:
        state = State.TRAINING if _held(work / "lock") else State.WAITING
        return RunProgress(run.name, state, 0, steps, None)
    state = State.TRAINING if _held(work / "lock") else State.STOPPED
    return RunProgress(run.name, state, row["step"] + 1, steps, row["loss"])


def _of_command(study: Study, run: Run) -> RunProgress:
    """The progress of a run that a command makes: its trace so far, as far as it is written."""
    if made_by(study.paths.run(run.name), run):
        state = State.FINISHED if _evaluated(study, run) else State.TRAINED
        return RunProgress(run.name, state, 0, None, None)
    work = study.paths.training(run.name, run.recipe)
    name = trainer_of(study).outputs.trace
    row = None if name is None else last_logged(work / "out" / name)
    state = State.STOPPED if (work / "lock").exists() else State.WAITING
    if _held(work / "lock"):
        state = State.TRAINING
    done, loss = (0, None) if row is None else (row[0] + 1, row[1])
    return RunProgress(run.name, state, done, None, loss)


def _evaluated(study: Study, run: Run) -> bool:
    """Whether every further evaluation of a run and of the averages of its weights is finished."""
    paths, averages = study.paths, average_names(run.name, study.config.averages)
    files = [paths.run(average) / "test_loss.json" for average in averages]
    for name in study.config.evaluations:
        files += [paths.evaluation(model, name) for model in (run.name, *averages)]
    return all(file.exists() for file in files)


def made_by(folder: Path, run: Run) -> bool:
    """Whether the folder has the results of the run's current recipe."""
    try:
        made = read_json(folder / "recipe.json")["digest"]
    except (OSError, ValueError, KeyError):
        return False
    last = RESULT if isinstance(run.recipe, CommandRecipe) else "model.safetensors"
    return bool(made == run.recipe.digest) and (folder / last).exists()


def last_row(trace: Path) -> dict[str, Any] | None:
    """The last whole row of a trace that may still be growing; None if there is none."""
    try:
        with open(trace, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            whole, _, _ = file.read().rpartition(b"\n")
    except OSError:
        return None
    try:
        row: dict[str, Any] = json.loads(whole.rpartition(b"\n")[2])
    except (ValueError, RecursionError):
        return None
    # A damaged line may still be valid JSON.
    return row if isinstance(row, dict) and {"step", "loss"} <= row.keys() else None


def _held(lock: Path) -> bool:
    """Whether a process is training in the work folder of this lock."""
    try:
        with open(lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
