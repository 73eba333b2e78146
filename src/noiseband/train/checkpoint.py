"""Checkpoints: complete or absent, verified when read, and used by one process at a time.

A work folder belongs to one run and one recipe digest. It contains

* `step-<n>.safetensors`: the state after n optimiser steps, with its digest in the metadata;
* `trace.jsonl` and `samples.jsonl`: what the run has recorded so far, appended to at each step;
* `segments.jsonl`: the machine that trained from each step on (`segments.py`);
* `lock`: locked while a process trains.

No file contains generator state: randomness is a function of (train_seed, step, slot).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from noiseband.dag.orphans import SECONDS_TO_SAVE
from noiseband.errors import UserError
from noiseband.io.digests import digest
from noiseband.io.files import atomic
from noiseband.io.locks import lock

LOCK_SECONDS = SECONDS_TO_SAVE + 2.0
"""Seconds that a start waits for the folder: a job outlives a killed Snakemake while it saves."""
SEGMENTS = "segments.jsonl"
SUM = "metadata_sha256"
"""Metadata key of a checkpoint for the SHA-256 of the other metadata."""

_NAME = re.compile(r"step-(\d+)\.safetensors")


@dataclass
class State:
    """Everything that the next step depends on, except the recipe and the tokens."""

    step: int
    """Number of optimiser steps done."""
    tensors: dict[str, Tensor]
    """`weights` and the optimisers' memory, flat float32, and `updates`, a scalar."""
    scale: float
    """Loss scale."""
    good_steps: int
    """Number of finite steps since the scale last changed."""
    skipped: int = 0
    """Number of the last steps that were skipped, in a row."""
    journals: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each journal's rows for the steps done, by the journal's file name."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the work folder; the lock ends with the process, however that ends.

    Raises UserError if another process still has the lock after `LOCK_SECONDS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as file:
        end = time.monotonic() + LOCK_SECONDS
        while not lock(file, wait=False):
            if time.monotonic() > end:
                raise UserError(
                    f"{folder}: another process is training this run; wait for it or end it"
                )
            time.sleep(0.1)
        for leftover in folder.glob(".*.tmp"):
            leftover.unlink()  # left by a process that was killed while it wrote
        yield


def save(
    folder: Path, state: State, last: int, keeps: Callable[[int], bool] = lambda step: False
) -> None:
    """Write a checkpoint, then remove older ones.

    The newest `last` checkpoints stay, and so does each one after a step for which `keeps` is true.

    Raises UserError if the checkpoint cannot be written; earlier checkpoints are then intact.
    """
    metadata = {
        "step": str(state.step),
        "scale": repr(state.scale),
        "good_steps": str(state.good_steps),
        "skipped": str(state.skipped),
        "sha256": digest(state.tensors),
        "journals": json.dumps(state.journals),
    }
    metadata[SUM] = _sum(metadata)
    try:
        with atomic(folder / file_name(state.step), checksum=False) as temporary:
            save_file(state.tensors, temporary, metadata=metadata)
    except (OSError, SafetensorError) as error:
        # safetensors reports a full disk as SafetensorError.
        raise UserError(
            f"{folder}: cannot write the checkpoint of step {state.step} ({error}); "
            "earlier checkpoints are intact: free some space and start again"
        ) from error
    for step in superseded([step for step, _ in numbered(folder)], last, keeps):
        (folder / file_name(step)).unlink()


def superseded(steps: list[int], last: int, keeps: Callable[[int], bool]) -> list[int]:
    """The checkpoints to remove, by steps done: not the newest `last`, nor those to keep."""
    older = sorted(steps, reverse=True)[last:]
    return [done for done in older if not keeps(done - 1)]  # after step n, n + 1 are done


def load(
    folder: Path, lacking: Callable[[State], str | None] = lambda state: None
) -> tuple[State | None, list[str]]:
    """The newest checkpoint that is intact together with its journals, or None; and a complaint for
    each newer one that is damaged or lacks something. The latter are removed, because they would
    be taken for the newest ones, which stay when the run saves.

    Args:
        folder: the work folder.
        lacking: returns what a run that resumes from a checkpoint would lack; None for nothing.
    """
    complaints: list[str] = []
    for _, path in numbered(folder):
        try:
            state = read(path)
            check_journals(folder, state)
        except ValueError as error:
            complaints.append(f"{path.name} is damaged ({error}); using the one before it")
            continue
        if (lack := lacking(state)) is None:
            return state, complaints
        complaints.append(f"{path.name} is of no use without {lack}; using the one before it")
        path.unlink()
    return None, complaints


def read(path: Path) -> State:
    """The state in a checkpoint. Raises ValueError if the checkpoint is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        recorded = metadata.pop(SUM, None)  # checkpoints from before 0.1.0 have none
        if digest(tensors) != metadata["sha256"] or recorded not in (None, _sum(metadata)):
            raise ValueError("its digest does not match its contents")
        return State(
            step=int(metadata["step"]),
            tensors=tensors,
            scale=float(metadata["scale"]),
            good_steps=int(metadata["good_steps"]),
            skipped=int(metadata.get("skipped", "0")),  # older checkpoints have none
            journals=json.loads(metadata.get("journals", "{}")),
        )
    except (SafetensorError, OSError, KeyError) as error:
        raise ValueError(str(error)) from error


def _sum(metadata: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()


def check_journals(folder: Path, state: State) -> None:
    """Compare each journal's rows for the steps done with their recorded SHA-256.

    Raises ValueError if they differ, because these rows become part of the results.
    """
    for name, recorded in state.journals.items():
        text = "".join(map(_line, Journal.rows_of(folder / name, state.step)))
        if hashlib.sha256(text.encode()).hexdigest() != recorded:
            raise ValueError(f"{name} is not what was recorded up to this step")


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """The folder's checkpoints with the number of steps done, newest first."""
    found = ((step_of(path.name), path) for path in folder.iterdir())
    return sorted(((step, path) for step, path in found if step is not None), reverse=True)


def file_name(step: int) -> str:
    """File name of the checkpoint after `step` steps."""
    return f"step-{step:08d}.safetensors"


def step_of(name: str) -> int | None:
    """The steps done in the checkpoint with this file name; None for any other file."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


class Journal:
    """A JSON-lines file that grows with the steps. A resumed run cuts it back to its checkpoint."""

    def __init__(self, path: Path, before: int) -> None:
        """Open the file for appending, and keep only its intact rows with `step` < `before`."""
        self.path = path
        self.rows = self.rows_of(path, before)
        text = "".join(map(_line, self.rows))
        self.sum = hashlib.sha256(text.encode())
        """SHA-256 of the rows."""
        with atomic(path, checksum=False) as temporary:
            temporary.write_text(text, encoding="utf-8")
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)

    @staticmethod
    def rows_of(path: Path, before: int) -> list[dict[str, Any]]:
        """The intact rows with `step` < `before`; an empty list if there is no file."""
        rows: list[dict[str, Any]] = []
        if not path.exists():
            return rows
        for line in path.read_bytes().split(b"\n"):
            try:
                row = json.loads(line)
                if row["step"] < before:
                    rows.append(row)
            except (ValueError, LookupError, TypeError, RecursionError):
                break  # a line cut off by a kill, a line that is not a row, or the end
        return rows

    def append(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        line = _line(row)
        self.sum.update(line.encode())
        self.file.write(line)

    def flush(self) -> None:
        """Write all rows to the disk, before the checkpoint that relies on them."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def close(self) -> None:
        self.file.close()


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
