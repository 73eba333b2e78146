"""Record the progress, time and segments of a run, none of which affects its bits."""

from __future__ import annotations

import platform
import time

import torch

from noiseband.io.files import write_json
from noiseband.io.traces import Row
from noiseband.model.flops import flops_per_token
from noiseband.processor import device_name
from noiseband.train.launch.processes import Processes
from noiseband.train.memory import peak_memory
from noiseband.train.peak import peak_flops
from noiseband.train.progress import Progress
from noiseband.train.segments import begin_segment
from noiseband.train.trainer import Job
from noiseband.train.watcher import Watcher


class Account(Watcher):
    """Shows and logs the steps, and records their time, speed and memory."""

    def __init__(self, job: Job, processes: Processes) -> None:
        super().__init__(job, processes)
        recipe = job.params.recipe
        self.device = device_name(processes.device)
        self.peak = _peak_tokens_per_second(job, self.device, processes)
        self.progress = Progress(
            job.params.run,
            recipe.steps,
            recipe.tokens_before,
            job.work / "train.log",
            self.peak,
        )
        self.resumed_at = 0
        self.started = time.perf_counter()

    def begin(self, step: int) -> None:
        self.resumed_at = step
        begin_segment(self.job.work, step, self.processes)
        self.started = time.perf_counter()

    def say(self, text: str) -> None:
        self.progress.say(text)

    def step(self, row: Row) -> None:
        self.progress.step(row)

    def end(self) -> None:
        """Write `timing.json`."""
        write_json(self.job.out / "timing.json", self._timing(time.perf_counter() - self.started))

    def close(self) -> None:
        self.progress.close()

    def _timing(self, seconds: float) -> dict[str, object]:
        """What differs between executions of a run, for the part that this process trained."""
        rate = self.progress.tokens_per_second
        return {
            "seconds": round(seconds, 3),
            "steps": self.job.params.recipe.steps - self.resumed_at,
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


def _peak_tokens_per_second(job: Job, device: str, processes: Processes) -> float | None:
    """Tokens per second that the run's devices would train at peak speed; None if unknown."""
    recipe = job.params.recipe
    peak = peak_flops(device, recipe.precision)
    return None if peak is None else peak * processes.count / flops_per_token(recipe.model)
