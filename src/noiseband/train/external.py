"""Run the command of a trainer of one's own: start it, pass signals on, and take its outputs over.

The work folder of a run has `recipe.json`, which the command reads; `out`, its empty output folder;
`state`, which survives kills; and `lock`. The command inherits the lock, so that no second process
writes there while it lives, even if this process was killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from noiseband.dag.orphans import before_the_end
from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.io.locks import lock
from noiseband.study.command_params import CommandParams
from noiseband.train.collect import collect

LOCK_SECONDS = 5.0
"""Seconds to wait for the lock: a process that was just killed may still hold it."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that reach the command's whole process group. All mean: save and end."""
LAST_LINE = 300
"""Most characters of the log's last line in an error."""


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
        status, last, received = _run(words, environment(params, place), held)
        seconds = time.perf_counter() - began
        if received is not None and not (status == 0 and (made / "result.json").exists()):
            return Ended(received, seconds, resumed)
        if status != 0:
            raise UserError(_failure(params, words, status, last))
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


def _run(
    words: list[str], variables: Mapping[str, str], held: IO[str]
) -> tuple[int, str, int | None]:
    """Run the command in a process group of its own.

    Returns:
        Its exit status (negative for a signal), the last line that it printed, and the signal that
        this process received, if any.
    """
    received: list[int] = []
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(variables),
            start_new_session=True,
            pass_fds=[held.fileno()],
        )
    except OSError as error:
        raise UserError(
            f"trainer.command: {words[0]!r}: {error.strerror}; give a program that is in PATH, or "
            "its path relative to the folder in which snakemake runs"
        ) from error
    last: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=_copy, args=(process.stdout, last), daemon=True)
    reader.start()
    with _passed_on(process, received):
        status = process.wait()
    _end_group(process.pid)  # workers that the command left behind
    reader.join(timeout=5)
    return status, last[0] if last else "", received[0] if received else None


@contextmanager
def _passed_on(process: subprocess.Popen[bytes], received: list[int]) -> Iterator[None]:
    """Pass signals on to the command's process group until it has ended."""

    def pass_on(number: int, frame: object) -> None:
        received.append(number)
        _signal_group(process.pid, signal.SIGTERM)

    def end() -> None:
        _signal_group(process.pid, signal.SIGKILL)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    before_the_end.append(end)
    try:
        yield
    finally:
        before_the_end.remove(end)
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_group(group: int) -> None:
    """End what is left of a process group whose first process has ended."""
    _signal_group(group, signal.SIGTERM)
    for _ in range(20):
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.05)
    _signal_group(group, signal.SIGKILL)


def _copy(stream: IO[bytes], last: list[str]) -> None:
    """Copy the command's output to standard error, the run's log, and keep its last line."""
    rest = b""
    while chunk := stream.read1(65536):  # type: ignore[attr-defined]
        with suppress(OSError, ValueError):  # A full disk must not block the command.
            sys.stderr.buffer.write(chunk)
            sys.stderr.buffer.flush()
        lines = (rest + chunk).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line.strip():
                last[:] = [line.decode(errors="replace").strip()]
        rest = lines[-1][-4 * LAST_LINE :]


def _failure(params: CommandParams, words: list[str], status: int, last: str) -> str:
    """What went wrong, in one line."""
    how = f"exit status {status}"
    if status < 0:
        how = f"killed by {signal.Signals(-status).name}"
    said = f"; its last line: {last[:LAST_LINE]}" if last else "; it printed nothing"
    return f"{params.run}: the command {words[0]} failed ({how}){said}"
