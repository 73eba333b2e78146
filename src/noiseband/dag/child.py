"""Run a command of the user's own as a child of a job: its signals, its output, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

from noiseband.dag.orphans import before_the_end
from noiseband.errors import UserError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that reach the command's whole process group, as SIGTERM. All mean: save and end."""
LAST_LINE = 300
"""Most characters of the last line that a command printed."""


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    status: int
    """Its exit status; negative for the signal that ended it."""
    last: str
    """The last line that it printed; empty if it printed nothing."""
    received: int | None
    """The first signal that this process received meanwhile, if any."""


def run_child(
    words: Sequence[str],
    key: str,
    variables: Mapping[str, str] | None = None,
    inherited: Sequence[int] = (),
) -> Ending:
    """Run a command in a process group of its own, and copy what it prints to standard error.

    Args:
        words: the command; no shell reads it.
        key: its key in the config, for errors.
        variables: its environment; by default that of this process.
        inherited: file descriptors that it inherits, such as that of a lock.

    Raises:
        UserError: there is no such program.
    """
    received: list[int] = []
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if variables is None else dict(variables),
            start_new_session=True,
            pass_fds=inherited,
        )
    except OSError as error:
        raise UserError(
            f"{key}: {words[0]}: {error.strerror}; give a program that is in PATH, or its path "
            "relative to the folder in which snakemake runs"
        ) from error
    last: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=_copy, args=(process.stdout, last), daemon=True)
    reader.start()
    with _passed_on(process, received):
        status = process.wait()
    _end_group(process.pid)  # workers that the command left behind
    reader.join(timeout=5)
    said = last[0][:LAST_LINE] if last else ""
    return Ending(status, said, received[0] if received else None)


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
    """Copy the command's output to standard error, the job's log, and keep its last line."""
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
