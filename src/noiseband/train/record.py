"""What a run leaves behind: progress, trace, samples, checkpoints, and at its end the results."""

from __future__ import annotations

import errno
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from noiseband.errors import UserError
from noiseband.io.digests import digests
from noiseband.io.files import atomic, write_json, write_jsonl
from noiseband.io.traces import Row, write_trace
from noiseband.processor import device_name
from noiseband.study.config import Checkpoints
from noiseband.train.checkpoint import Journal, State, load, locked, save
from noiseband.train.launch.processes import Processes
from noiseband.train.memory import peak_memory
from noiseband.train.peak import flops_per_token, peak_flops
from noiseband.train.progress import Progress
from noiseband.train.remote_checkpoints import RemoteCheckpoints
from noiseband.train.segments import begin_segment
from noiseband.train.trainer import Job, Trainer

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space, no quota, or a limit on the size of files."""


@contextmanager
def recording(job: Job, processes: Processes) -> Iterator[Record | None]:
    """The record of a run; None in all processes but the first.

    Raises UserError where another training of the run holds its work folder, or the disk is full.
    """
    if not processes.first:
        yield None
        return
    try:
        with locked(job.work), ExitStack() as stack:
            yield Record(job, processes, stack)
    except (OSError, SafetensorError) as error:
        # safetensors reports a full disk as an error of its own.
        if isinstance(error, OSError) and error.errno not in FULL:
            raise
        raise UserError(
            f"{job.params.run}: cannot write in {job.work} ({error}); free some space and start "
            "again: the run goes on from its newest checkpoint"
        ) from error


class Record:
    """Kept by the first process. Nothing here has any effect on the weights."""

    def __init__(self, job: Job, processes: Processes, stack: ExitStack) -> None:
        self.job = job
        self.processes = processes
        self.recipe = job.params.recipe
        self.device = device_name(processes.device)
        self.peak = _peak_tokens_per_second(job, self.device, processes)
        self.progress = Progress(
            job.params.run,
            self.recipe.steps,
            self.recipe.tokens_per_step,
            job.work / "train.log",
            self.peak,
        )
        stack.callback(self.progress.close)
        self.stack = stack
        self.remote = RemoteCheckpoints(job.copy) if job.copy else None
        self.drawn_at = sample_steps(self.recipe.steps, job.params.checkpoints)
        self.resumed_at = 0
        self.started = time.perf_counter()

    def checkpoint(self) -> State | None:
        """The state to go on from; the trace and the samples are cut back to it."""
        state, complaints = load(self.job.work)
        if self.remote:
            newer, more = self.remote.newest(self.job.work, state.step if state else 0)
            state, complaints = newer or state, complaints + more
        for complaint in complaints:
            self.say(complaint)
        if state is not None:
            self.resumed_at = state.step
            self.say(f"going on after step {state.step} of {self.recipe.steps}")
        self.trace = Journal(self.job.work / "trace.jsonl", self.resumed_at)
        self.stack.callback(self.trace.close)
        self.samples = Journal(self.job.work / "samples.jsonl", self.resumed_at)
        self.stack.callback(self.samples.close)
        begin_segment(self.job.work, self.resumed_at, self.processes)
        self.started = time.perf_counter()
        return state

    def say(self, text: str) -> None:
        """A line that is worth keeping on the screen too."""
        self.progress.say(f"{self.job.params.run}: {text}")

    def step(self, trainer: Trainer, row: Row) -> None:
        """A finished step."""
        self.trace.append(asdict(row))
        self.progress.step(row)
        if row.step in self.drawn_at:
            self.samples.append(trainer.sample())

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint. Raises UserError where the disk is full."""
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
        """Write the results, `timing.json` last."""
        seconds = time.perf_counter() - self.started
        params, out = self.job.params, self.job.out
        recipe = params.model_dump(exclude={"samples", "checkpoints"})
        write_json(out / "recipe.json", {**recipe, "digest": params.recipe.digest})
        write_trace(out / "trace.parquet", [Row(**row) for row in self.trace.rows])
        write_jsonl(out / "samples.jsonl", self.samples.rows)
        # Clones, because safetensors refuses tensors that share a storage.
        views = trainer.flat.views(trainer.flat.weights)
        weights = {name: view.detach().cpu().clone() for name, view in views.items()}
        if odd := [name for name, weight in weights.items() if not weight.isfinite().all()]:
            self.say(f"diverged: its final weights are not finite ({odd[0]})")
        write_json(out / "model.json", digests(weights))
        with atomic(out / "model.safetensors") as temporary:
            save_file(weights, temporary)
        write_json(out / "timing.json", self._timing(seconds))

    def _timing(self, seconds: float) -> dict[str, object]:
        """Everything volatile about the run, this process's start to its end."""
        rate = self.progress.tokens_per_second
        return {
            "seconds": round(seconds, 3),
            "steps": self.recipe.steps - self.resumed_at,
            "resumed_at_step": self.resumed_at,
            "tokens_per_second": None if rate is None else round(rate),
            "share_of_peak": None if rate is None or self.peak is None else rate / self.peak,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "device": self.device,
            "processes": self.processes.count,
            "peak_memory_bytes": peak_memory(self.processes.device),
            "machine": platform.machine(),
            "torch": torch.__version__,
        }


def sample_steps(steps: int, checkpoints: Checkpoints) -> frozenset[int]:
    """Steps after which a sample is drawn: log-spaced early ones, every checkpoint, the last."""
    early = {2**k for k in range(steps.bit_length()) if 2**k < checkpoints.every}
    saved = {step for step in range(steps) if checkpoints.due(step)}
    return frozenset({step for step in early if step < steps} | saved | {steps - 1})


def _peak_tokens_per_second(job: Job, device: str, processes: Processes) -> float | None:
    """Tokens a second that the run's devices could train at most; None where unknown."""
    recipe = job.params.recipe
    peak = peak_flops(device, recipe.precision)
    return None if peak is None else peak * processes.count / flops_per_token(recipe.model)
