"""One training run, from initial weights to final weights.

`train` takes steps until the recipe's are done, and `take_step` is one of them. Everything else has
a module of its own: `trainer` what a process holds, `data` the microbatches, `reduce` the sum over
slots and processes, `update` the optimiser, `agreement` what processes tell one another, `record`
the files.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from noiseband.determinism import pick_device, seed_everything
from noiseband.io.traces import Row
from noiseband.randomness import derived_seed
from noiseband.train.agreement import agree
from noiseband.train.launch.processes import Processes
from noiseband.train.record import recording
from noiseband.train.schedule import rates
from noiseband.train.trainer import Job, Trainer
from noiseband.train.watcher import Watch, Watcher


class Interrupted(Exception):
    """SIGTERM or SIGINT arrived, and the checkpoint is written."""

    def __init__(self, received: int) -> None:
        super().__init__(signal.Signals(received).name)
        self.signal = received


def train(job: Job, processes: Processes | None = None, watch: Watch = Watcher) -> None:
    """Train one run, resuming from the newest intact checkpoint in its work folder.

    A run that has diverged, because `recipe.diverged_after` steps in a row were skipped, ends there
    and has results like any other.

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
        while trainer.done < recipe.steps and not trainer.diverged:
            row = take_step(trainer, stop[0] if stop else 0)
            last = trainer.done == recipe.steps or trainer.diverged
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


def take_step(trainer: Trainer, stop: int = 0) -> Row:
    """Take one optimiser step over all slots.

    A step with a non-finite gradient is skipped: weights and moments stay as they are. The schedule
    counts attempted steps, so a skipped step and its tokens are used up. The loss scale is halved
    (float16 only), and the trace records loss, norm and `skipped`.

    Args:
        trainer: the state to advance.
        stop: the signal that asked this process to stop, or 0.

    Returns:
        The step's row of the trace.

    Raises:
        PeerLost: another process ended.
        RuntimeError: two processes hold different weights.
    """
    step = trainer.done
    losses = mean_gradient(trainer)
    # Measured after the reduction, so that all processes agree on it.
    norm = torch.linalg.vector_norm(trainer.flat.grad)
    scheduled = rates(trainer.recipe, step)
    trainer.update.apply(scheduled, norm)
    trainer.averages.update(step)
    agreed = agree(trainer.processes, step, losses, norm, trainer.flat.checksum(), stop)
    finite = math.isfinite(agreed.norm)
    trainer.scale.update(finite)
    trainer.done, trainer.stop = step + 1, agreed.stop
    trainer.skipped = 0 if finite else trainer.skipped + 1
    return Row(
        step=step,
        loss=float(agreed.losses.mean()),
        learning_rate=scheduled.learning_rate,
        gradient_norm=agreed.norm,
        clipped=finite and agreed.norm > trainer.update.limit,
        skipped=not finite,
        weights_checksum=agreed.checksum,
        muon_learning_rate=scheduled.muon,
        sequences=trainer.window.batches.size(step) if trainer.window.batches.grow else None,
    )


def mean_gradient(trainer: Trainer) -> Tensor:
    """Put the next step's gradient, the unscaled mean over all slots, into `flat.grad`.

    Returns:
        The losses of this process's slots, float64, in nats.
    """
    step, scale = trainer.done, trainer.scale.scale
    slots = trainer.window.batches.size(step) // trainer.recipe.batch.microbatch
    own = trainer.processes.share(slots)
    losses = torch.zeros(len(own), dtype=torch.float64, device=trainer.flat.device)

    def backward(slot: int) -> None:
        seed_everything(_dropout_seed(trainer, slot), trainer.flat.device)
        loss = trainer.objective(*trainer.window.batch(step, slot), scale)
        torch.autograd.backward(loss)
        losses[slot - own.start] = loss.detach()

    trainer.reduction.sum(own, backward)
    # A multiplication by the reciprocal, which is exact if slots and scale are powers of two.
    trainer.flat.grad.mul_(1.0 / (slots * scale))
    return losses / scale


def _dropout_seed(trainer: Trainer, slot: int) -> int:
    """The seed of a slot's dropout in the next step.

    A run that continues another one also counts its steps from 0, so the other run's digest is part
    of the seed. Otherwise both would draw the same masks.
    """
    recipe = trainer.recipe
    before = [] if recipe.continues is None else [recipe.continues]
    return derived_seed(recipe.train_seed, *before, trainer.done, slot)


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
