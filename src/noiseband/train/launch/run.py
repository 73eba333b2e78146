"""Train one run in this process, in several that it starts, or as one of several.

Heavy imports are inside the functions, so that the command line can describe a run without torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noiseband.errors import UserError
from noiseband.gpus import announce, reserve
from noiseband.study.params import TrainParams

if TYPE_CHECKING:
    from noiseband.train.launch.processes import Processes


@dataclass(frozen=True)
class Launch:
    """A run to train, with the paths of its files; `Job` is the same with the files read."""

    params: TrainParams
    tokens: Path
    """Token file of the training split."""
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
    launch: Launch, processes: int | None, arguments: list[str], finish: Callable[[Processes], None]
) -> int:
    """Train the run, resuming from its newest checkpoint; return this process's exit status.

    If torchrun or Slurm started this process as one of several, it joins them and ends without
    returning. Otherwise it waits until there is a GPU for each process, and starts the processes if
    there are several.

    Args:
        launch: the run to train.
        processes: number of processes to start, 1 if None. If they are running already, it must
            be None or their number.
        arguments: arguments of `noiseband` for each process that is started.
        finish: called in the first process when the run's files are written.

    Raises:
        UserError: the processes do not divide the slots or are not those that a launcher started,
            or a file is missing or does not fit.
    """
    from noiseband.train.launch.processes import PeerLost, check_processes, joined
    from noiseband.train.launch.slurm import find_place
    from noiseband.train.launch.torchrun import PEER_LOST, end, end_with_launcher, launched
    from noiseband.train.launch.torchrun import launch as start

    find_place()
    running = launched()
    if running and processes not in (None, running):
        raise UserError(
            f"--processes {processes}: the environment says that this is one of {running} "
            f"(WORLD_SIZE={running}, RANK={os.environ.get('RANK')}); if no launcher started it, "
            "first `unset WORLD_SIZE RANK`"
        )
    processes = processes or 1
    check_processes(running or processes, launch.params.recipe.batch.fewest_slots)
    if running:
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
    if running:
        end(0)
    return 0
