"""Run the command of a trainer of one's own in its folders, and take its outputs over.

The work folder of a run has `recipe.json`, which the command reads; `out`, its empty output folder;
`state`, which survives kills; and `lock`. The command inherits the lock, so that no second process
writes there while it lives, even if this process was killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from noiseband.dag.child import Ending, run_child
from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.io.locks import lock
from noiseband.study.command_params import CommandParams
from noiseband.train.collect import collect

LOCK_SECONDS = 5.0
"""Seconds to wait for the lock: a process that was just killed may still hold it."""


@dataclass(frozen=True)
class Place:
    """The folders of a run that a command makes, and its share of the machine."""

    work: Path
    out: Path
    processes: int
    gpus: int
    threads: int
    """CPU threads of each process."""


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    stopped_by: int | None
    """The signal that asked this process to stop, if the command then ended without a result."""
    seconds: float
    """Seconds that this execution of the command took."""
    resumed: bool
    """Whether an earlier execution had left something in the folder that survives kills."""


def run_command(params: CommandParams, place: Place, declared: Sequence[str] = ()) -> Ended:
    """Run the command to its end and put its outputs into the run's folder.

    `declared` are the metrics that `result.json` must have. Raises UserError if the files of the
    trainer are no longer those of the params, another process makes this run, the command fails, or
    an output does not fit the contract.
    """
    _same_files(params)
    work = place.work.absolute()
    recipe, made, state = work / "recipe.json", work / "out", work / "state"
    with _locked(work) as held:
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        state.mkdir(exist_ok=True)
        resumed = any(state.iterdir())
        write_json(recipe, params.recipe, checksum=False)
        words = params.trainer.words(
            recipe=str(recipe),
            out=str(made),
            work=str(state),
            processes=place.processes,
            gpus=place.gpus,
            threads=place.threads,
        )
        began = time.perf_counter()
        ending = run_child(words, "trainer.command", environment(params, place), [held.fileno()])
        seconds = time.perf_counter() - began
        done = ending.status == 0 and (made / "result.json").exists()
        if ending.received is not None and not done:
            return Ended(ending.received, seconds, resumed)
        if ending.status != 0:
            raise UserError(_failure(params, words, ending))
        collect(params, made, place.out, declared)
        shutil.rmtree(made, ignore_errors=True)
        return Ended(None, seconds, resumed)


def environment(params: CommandParams, place: Place) -> dict[str, str]:
    """The environment of the command, as docs/extending.md lists it."""
    threads = str(place.threads)
    ours = {
        "NOISEBAND_RUN": params.run,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "PYTHONUNBUFFERED": "1",
        "PYTHONHASHSEED": "0",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    return {**os.environ, **ours}


def _same_files(params: CommandParams) -> None:
    """Check that the trainer's files are those that the run's digest covers."""
    trainer = params.trainer
    for problem in trainer.problems():
        raise UserError(str(problem))
    if trainer.files_sha256 != params.files_sha256:
        raise UserError(
            f"trainer.files: {', '.join(params.files)}: changed since the study was planned; start "
            "again, so that the run's digest covers what is there now"
        )


@contextmanager
def _locked(work: Path) -> Iterator[IO[str]]:
    """Lock the work folder. Raises UserError if another process has the lock."""
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "lock", "w") as file:
        end = time.monotonic() + LOCK_SECONDS
        while not lock(file, wait=False):
            if time.monotonic() > end:
                raise UserError(
                    f"{work}: another process is making this run, perhaps a command that outlived "
                    "its noiseband; wait for it or end it"
                )
            time.sleep(0.1)
        yield file


def _failure(params: CommandParams, words: Sequence[str], ending: Ending) -> str:
    """What went wrong, in one line."""
    how = f"exit status {ending.status}"
    if ending.status < 0:
        how = f"killed by {signal.Signals(-ending.status).name}"
    said = f"; its last line: {ending.last}" if ending.last else "; it printed nothing"
    return f"{params.run}: the command {words[0]} failed ({how}){said}"
