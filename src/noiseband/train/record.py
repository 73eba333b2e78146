"""The files of a run: trace, samples and checkpoints, and at the end its results."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from safetensors import SafetensorError
from safetensors.torch import save_file

from noiseband.errors import UserError
from noiseband.io.digests import digests
from noiseband.io.files import atomic, write_json, write_jsonl
from noiseband.io.traces import Row, write_trace
from noiseband.study.config import Checkpoints
from noiseband.train.checkpoint import Journal, State, load, locked, save
from noiseband.train.kept import Kept, final_weights
from noiseband.train.launch.processes import Processes
from noiseband.train.remote_checkpoints import RemoteCheckpoints
from noiseband.train.trainer import Job, Trainer
from noiseband.train.watcher import Watch, Watcher

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk: no space, no quota, or a file beyond the size limit."""


@contextmanager
def recording(job: Job, processes: Processes, watch: Watch) -> Iterator[Record | None]:
    """The record of a run; None in all processes except the first.

    Raises UserError if another process is training the run, or if the disk is full.
    """
    if not processes.first:
        yield None
        return
    try:
        with locked(job.work), ExitStack() as stack:
            watcher = watch(job, processes)
            stack.callback(watcher.close)
            yield Record(job, watcher, stack)
    except (OSError, SafetensorError) as error:
        # safetensors reports a full disk as SafetensorError.
        if isinstance(error, OSError) and error.errno not in FULL:
            raise
        raise UserError(
            f"{job.params.run}: cannot write in {job.work} ({error}); free some space and start "
            "again: the run resumes from its newest checkpoint"
        ) from error


class Record:
    """The record that the first process keeps. It has no effect on the weights."""

    def __init__(self, job: Job, watcher: Watcher, stack: ExitStack) -> None:
        self.job = job
        self.watcher = watcher
        self.recipe = job.params.recipe
        self.stack = stack
        self.kept = Kept(job.params, job.work)
        self.remote = RemoteCheckpoints(job.copy, self.kept.names) if job.copy else None
        self.drawn_at = sample_steps(self.recipe.steps, job.params.checkpoints)

    def checkpoint(self) -> State | None:
        """The state to resume from, or None; the trace and the samples are cut back to it."""
        state, complaints = load(self.job.work, self.kept.lacking)
        if self.remote:
            after = state.step if state else 0
            newer, more = self.remote.newest(self.job.work, after, self.kept.lacking)
            state, complaints = newer or state, complaints + more
        for complaint in complaints:
            self.say(complaint)
        done = 0
        if state is not None:
            done = state.step
            self.say(f"going on after step {done} of {self.recipe.steps}")
        self.trace = Journal(self.job.work / "trace.jsonl", done)
        self.stack.callback(self.trace.close)
        self.samples = Journal(self.job.work / "samples.jsonl", done)
        self.stack.callback(self.samples.close)
        self.watcher.begin(done)
        return state

    def say(self, text: str) -> None:
        """Pass a message to the watcher."""
        self.watcher.say(f"{self.job.params.run}: {text}")

    def step(self, trainer: Trainer, row: Row) -> None:
        """Record a finished step."""
        self.trace.append(row.record())
        self.watcher.step(row)
        self.kept.step(trainer)
        if row.step in self.drawn_at:
            self.samples.append(trainer.sample())

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint. Raises UserError if the disk is full."""
        checkpoints = self.job.params.checkpoints
        self.trace.flush()
        self.samples.flush()
        journals = {one.path.name: one.sum.hexdigest() for one in (self.trace, self.samples)}
        state = replace(trainer.state(), journals=journals)
        save(self.job.work, state, checkpoints.last, checkpoints.keeps)
        if self.remote:
            complaint = self.remote.save(self.job.work, checkpoints.last, checkpoints.keeps)
            if complaint:
                self.say(complaint)

    def finish(self, trainer: Trainer) -> None:
        """Write the results."""
        params, out = self.job.params, self.job.out
        recipe = params.model_dump(exclude={"samples", "checkpoints", "snapshots", "averages"})
        write_json(out / "recipe.json", {**recipe, "digest": params.recipe.digest})
        write_trace(out / "trace.parquet", [Row(**row) for row in self.trace.rows])
        write_jsonl(out / "samples.jsonl", self.samples.rows)
        weights = final_weights(trainer)
        if trainer.diverged:
            self.say(
                f"diverged: ended after step {trainer.done} of {self.recipe.steps}, because the "
                f"last {trainer.skipped} had no finite gradient"
            )
        elif odd := [name for name, weight in weights.items() if not weight.isfinite().all()]:
            self.say(f"diverged: its final weights are not finite ({odd[0]})")
        self.kept.finish(out, trainer, weights)
        write_json(out / "model.json", digests(weights))
        with atomic(out / "model.safetensors") as temporary:
            save_file(weights, temporary)
        self.watcher.end()


def sample_steps(steps: int, checkpoints: Checkpoints) -> frozenset[int]:
    """Steps after which a sample is drawn: powers of two at first, each checkpoint, the last."""
    early = {2**k for k in range(steps.bit_length()) if 2**k < checkpoints.every}
    saved = {step for step in range(steps) if checkpoints.due(step)}
    return frozenset({step for step in early if step < steps} | saved | {steps - 1})
