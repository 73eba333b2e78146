"""One training run, from initial weights to final weights."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from noiseband.determinism import pick_device
from noiseband.train.launch.processes import Processes
from noiseband.train.record import recording
from noiseband.train.trainer import Job, Trainer
from noiseband.train.watcher import Watch, Watcher


class Interrupted(Exception):
    """SIGTERM or SIGINT arrived, and the checkpoint is written."""

    def __init__(self, received: int) -> None:
        super().__init__(signal.Signals(received).name)
        self.signal = received


def train(job: Job, processes: Processes | None = None, watch: Watch = Watcher) -> None:
    """Train one run, resuming from the newest intact checkpoint in its work folder.

    All processes of a run call this function with the same arguments. They all read the tokens and
    the initial weights; only the first process uses other files and makes a watcher.

    Raises:
        Interrupted: any process got SIGTERM or SIGINT; the step reached is saved.
        PeerLost: another process ended.
        UserError: there are too few tokens, the disk is full, another process is training this run,
            or the number of processes does not divide the slots.
    """
    processes = processes or Processes(0, 1, pick_device())
    recipe, checkpoints = job.params.recipe, job.params.checkpoints
    with _stop_requests() as stop, recording(job, processes, watch) as record:
        trainer = Trainer(job, processes)
        trainer.restore(record.checkpoint() if record else None)
        while trainer.done < recipe.steps:
            row = trainer.step(stop[0] if stop else 0)
            last = trainer.done == recipe.steps
            if record:
                record.step(trainer, row)
                if checkpoints.due(row.step) or last or trainer.stop:
                    record.save(trainer)
            if trainer.stop and not last:
                if record:
                    record.say(f"stopped by {signal.Signals(trainer.stop).name}; saved")
                processes.wait()  # if a process ends early, the others end too
                raise Interrupted(trainer.stop)
        if record:
            record.finish(trainer)
        processes.wait()


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT in a list instead of ending on them."""
    received: list[int] = []
    handled = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(s, lambda number, _: received.append(number)) for s in handled]
    try:
        yield received
    finally:
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)
