"""Training one run: in this process, in several that it starts, or as one of those.

Heavy imports stay inside, so that the command line can describe a run without torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseband.gpus import announce, reserve
from noiseband.study.params import TrainParams

if TYPE_CHECKING:
    from noiseband.train.launch.processes import Processes


@dataclass(frozen=True)
class Launch:
    """A run to train, by the paths of its files; `Job` is the same with the files open."""

    params: TrainParams
    tokens: Path
    """The training split."""
    vocabulary: Path
    init: Path
    """Safetensors file with the initial weights."""
    work: Path
    """Folder for checkpoints, keyed by run and recipe digest."""
    out: Path
    """Folder for the model, its trace and its records."""
    checkpoints: str | None = None
    """URI of a copy of `work`; None takes the one under $NOISEBAND_CHECKPOINTS, if that is set."""


def run_processes(
    launch: Launch, processes: int, arguments: list[str], finish: Callable[[Processes], None]
) -> int:
    """Train the run, going on from its newest checkpoint; the exit status of this process.

    Where torchrun or Slurm started this process as one of several, it takes its place among them
    and ends without returning. Otherwise it waits for as many GPUs as processes, and starts these
    where they are more than one.

    Args:
        launch: what is trained.
        processes: how many train it together, if nobody has started them yet.
        arguments: of `noiseband`, for each process that is started.
        finish: called by the first process when the run's files are written.

    Raises:
        UserError: the processes do not divide the slots, a file is missing or does not fit.
    """
    from noiseband.train.launch.processes import PeerLost, check_processes, joined
    from noiseband.train.launch.slurm import find_place
    from noiseband.train.launch.torchrun import PEER_LOST, end, end_with_launcher, launched
    from noiseband.train.launch.torchrun import launch as start

    find_place()
    check_processes(processes, launch.params.recipe.batch.slots)
    if launched():
        announce(f"train {launch.params.run}")
        end_with_launcher()
    else:
        reserve(processes, f"train {launch.params.run}")
        if processes > 1:
            return start(processes, arguments)
    from noiseband.train.account import Account
    from noiseband.train.loop import Interrupted, train
    from noiseband.train.remote_checkpoints import uri_of
    from noiseband.train.trainer import Job

    job = Job.read(
        launch.params,
        launch.tokens,
        launch.vocabulary,
        launch.init,
        launch.work,
        launch.out,
        launch.checkpoints or uri_of(launch.work),
    )
    try:
        with joined() as group:
            train(job, group, Account)
            if group.first:
                finish(group)
    except Interrupted as stop:
        return 128 + stop.signal
    except PeerLost:
        end(PEER_LOST)
    if launched():
        end(0)
    return 0
