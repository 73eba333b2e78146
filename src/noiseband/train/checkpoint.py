"""Checkpoints: written whole or not at all, verified when read, never read by a second writer.

A work folder belongs to one run and one recipe digest. It holds

* `step-<n>.safetensors`: the state after n optimiser steps, its digest in the file's metadata;
* `trace.jsonl` and `samples.jsonl`: what the run has recorded so far, appended as it goes;
* `segments.jsonl`: what trained from which step on (`segments.py`);
* `lock`: held while a process trains.

No file holds generator state: randomness is a function of (train_seed, step, slot).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from noiseband.dag.orphans import SECONDS_TO_SAVE
from noiseband.errors import UserError
from noiseband.io.digests import digest
from noiseband.io.files import atomic

LOCK_SECONDS = SECONDS_TO_SAVE + 2.0
"""How long a start waits for the folder: a job outlives a killed Snakemake while it saves."""
SEGMENTS = "segments.jsonl"
SUM = "metadata_sha256"
"""Key of a checkpoint's metadata: SHA-256 of the others."""

_NAME = re.compile(r"step-(\d+)\.safetensors")


@dataclass
class State:
    """Everything that the next step depends on beside the recipe and the tokens."""

    step: int
    """Optimiser steps done."""
    tensors: dict[str, Tensor]
    """`weights`, `first_moment`, `second_moment`: flat float32."""
    scale: float
    """Loss scale."""
    good_steps: int
    """Finite steps since the scale last changed."""
    journals: dict[str, str] = field(default_factory=dict)
    """File name of each journal to the SHA-256 of its rows of the steps done."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the work folder; the lock dies with the process, however it ends.

    Raises UserError where another process still holds it after `LOCK_SECONDS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as file:
        end = time.monotonic() + LOCK_SECONDS
        while not _lock(file):
            if time.monotonic() > end:
                raise UserError(
                    f"{folder}: another process is training this run; wait for it or end it"
                )
            time.sleep(0.1)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()  # half a file, of a process that was killed while it wrote
        yield


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def save(
    folder: Path, state: State, last: int, keeps: Callable[[int], bool] = lambda step: False
) -> None:
    """Write a checkpoint, then remove all but the newest `last` and those after a step that `keeps`
    says yes to.

    Raises UserError where it cannot be written; earlier checkpoints are intact then.
    """
    metadata = {
        "step": str(state.step),
        "scale": repr(state.scale),
        "good_steps": str(state.good_steps),
        "sha256": digest(state.tensors),
        "journals": json.dumps(state.journals),
    }
    metadata[SUM] = _sum(metadata)
    try:
        with atomic(folder / file_name(state.step), checksum=False) as temporary:
            save_file(state.tensors, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        # safetensors reports a full disk as an error of its own.
        raise UserError(
            f"{folder}: cannot write the checkpoint of step {state.step} ({error}); "
            "earlier checkpoints are intact: free some space and start again"
        ) from error
    for step in superseded([step for step, _ in numbered(folder)], last, keeps):
        (folder / file_name(step)).unlink()


def superseded(steps: list[int], last: int, keeps: Callable[[int], bool]) -> list[int]:
    """Checkpoints, by steps done, beside the newest `last` and those after a step to keep."""
    older = sorted(steps, reverse=True)[last:]
    return [done for done in older if not keeps(done - 1)]  # after step n, n + 1 are done


def load(folder: Path) -> tuple[State | None, list[str]]:
    """The newest intact checkpoint whose journals are intact too, or None; and a complaint for each
    one passed over."""
    complaints: list[str] = []
    for _, path in numbered(folder):
        try:
            state = read(path)
            check_journals(folder, state)
            return state, complaints
        except ValueError as error:
            complaints.append(f"{path.name} is damaged ({error}); using the one before it")
    return None, complaints


def read(path: Path) -> State:
    """The state in a checkpoint. Raises ValueError where it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        recorded = metadata.pop(SUM, None)  # none before 0.1.0
        if digest(tensors) != metadata["sha256"] or recorded not in (None, _sum(metadata)):
            raise ValueError("its digest does not match its contents")
        return State(
            step=int(metadata["step"]),
            tensors=tensors,
            scale=float(metadata["scale"]),
            good_steps=int(metadata["good_steps"]),
            journals=json.loads(metadata.get("journals", "{}")),
        )
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(str(error)) from error


def _sum(metadata: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()


def check_journals(folder: Path, state: State) -> None:
    """Raises ValueError where a journal's rows of the steps done are not those that were recorded:
    they end up in the results."""
    for name, recorded in state.journals.items():
        text = "".join(map(_line, Journal.rows_of(folder / name, state.step)))
        if hashlib.sha256(text.encode()).hexdigest() != recorded:
            raise ValueError(f"{name} is not what was recorded up to it")


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """Checkpoints with the number of steps done, newest first."""
    found = ((step_of(path.name), path) for path in folder.iterdir())
    return sorted(((step, path) for step, path in found if step is not None), reverse=True)


def file_name(step: int) -> str:
    """Name of the checkpoint after that many steps."""
    return f"step-{step:08d}.safetensors"


def step_of(name: str) -> int | None:
    """Steps done in the checkpoint of that name; None for another file's name."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


class Journal:
    """A JSON-lines file that grows by a line a step and is cut back to the checkpoint on resume."""

    def __init__(self, path: Path, before: int) -> None:
        """Open for appending, keeping the intact rows whose `step` is less than `before`."""
        self.path = path
        self.rows = self.rows_of(path, before)
        text = "".join(map(_line, self.rows))
        self.sum = hashlib.sha256(text.encode())
        """Of the rows."""
        with atomic(path, checksum=False) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)

    @staticmethod
    def rows_of(path: Path, before: int) -> list[dict[str, Any]]:
        """The intact rows whose `step` is less than `before`; none where there is no file."""
        rows: list[dict[str, Any]] = []
        if not path.exists():
            return rows
        for line in path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
                if row["step"] < before:
                    rows.append(row)
            except (ValueError, LookupError, TypeError, RecursionError):
                break  # the line that a kill cut off, what is no row, or the end
        return rows

    def append(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        line = _line(row)
        self.sum.update(line.encode())
        self.file.write(line)

    def flush(self) -> None:
        """Rows reach the disk before the checkpoint that relies on them."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        self.file.close()


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
