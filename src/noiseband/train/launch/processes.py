"""The processes that train one run together, as torchrun starts them, or a single process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from noiseband.determinism import pick_device
from noiseband.errors import UserError
from noiseband.study.recipe import valid_processes

TIMEOUT = timedelta(minutes=10)
"""How long a collective waits for a process that neither answers nor ends. The first process must
be able to write a checkpoint within this time."""


PATIENCE = 5.0
"""Seconds after which a process says which others it waits for."""


class PeerLost(Exception):
    """Another process of the run ended. The launcher reports which one and why."""


@dataclass(frozen=True)
class Processes:
    """This process's rank among the processes of its run."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes the files and the messages."""
        return self.rank == 0

    def share(self, slots: int) -> range:
        """The contiguous slots that this process owns.

        Raises UserError if the number of processes is not a power of two that divides the slots.
        """
        check_processes(self.count, slots)
        each = slots // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    def gather(self, values: Tensor) -> Tensor:
        """The `values` (n,) of all processes, stacked by rank: (count, n)."""
        if self.count == 1:
            return values[None]
        everyone = values.new_empty(self.count * len(values))
        with peers_alive():
            dist.all_gather_single(everyone, values)
        return everyone.view(self.count, -1)

    def from_first(self, tensor: Tensor) -> None:
        """Overwrite `tensor` with the first process's tensor."""
        if self.count > 1:
            with peers_alive():
                dist.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Return when all processes have called this."""
        self.gather(torch.zeros(1, device=self.device))

    def exchange(self, partner: int, send: Tensor, receive: Tensor) -> None:
        """Swap contiguous tensors with a partner that makes the matching call.

        On CUDA the swap is queued on the current stream; on a CPU it is complete on return.
        """
        swap = [dist.P2POp(dist.irecv, receive, partner), dist.P2POp(dist.isend, send, partner)]
        with peers_alive():
            # Receive first: Gloo does not always tell a sender that its partner has died.
            for work in dist.batch_isend_irecv(swap):
                work.wait()


def check_processes(count: int, slots: int) -> None:
    """Raises UserError if `count` is not a power of two that divides `slots`."""
    valid = valid_processes(slots)
    if count not in valid:
        raise UserError(
            f"processes={count}: the recipe has {slots} slots; use a power of two that divides "
            f"them: {', '.join(map(str, valid))}"
        )


@contextmanager
def peers_alive() -> Iterator[None]:
    """Raise PeerLost if a collective's connection breaks, because another process has ended."""
    try:
        yield
    except RuntimeError as error:
        # NCCL has its own exception classes; Gloo's errors name the source file.
        if isinstance(error, dist.DistError) or "gloo/transport" in str(error):
            raise PeerLost(str(error)) from error
        raise


@contextmanager
def joined() -> Iterator[Processes]:
    """The process group that torchrun's environment describes, or a single process.

    Raises UserError if a machine has fewer GPUs than processes, or if the other processes do not
    come.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    device = pick_device()
    if count == 1:
        yield Processes(rank=0, count=1, device=device)
        return
    if device.type == "cuda":
        local, here = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= here:
            raise UserError(
                f"processes={os.environ['LOCAL_WORLD_SIZE']}: one GPU each, but this machine shows "
                f"{here}; start at most {here}, or set CUDA_VISIBLE_DEVICES= to train on the CPU"
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    with _others_awaited(count):
        if device.type == "cuda":
            dist.init_process_group("nccl", timeout=TIMEOUT, device_id=device)
        else:
            dist.init_process_group("gloo", timeout=TIMEOUT)
    try:
        yield Processes(rank=dist.get_rank(), count=count, device=device)
    finally:
        dist.destroy_process_group()


@contextmanager
def _others_awaited(count: int) -> Iterator[None]:
    """Say after a while which processes this one waits for, at which address.

    Raises UserError if they do not come within `TIMEOUT`, or if there is no address.
    """
    place = {name: os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT", "RANK")}
    known = ", ".join(f"{name}={value}" for name, value in place.items() if value is not None)
    remedy = "start them all with torchrun or srun; for one process, first `unset WORLD_SIZE RANK`"
    waiting = threading.Timer(
        PATIENCE,
        lambda: print(
            f"noiseband: waiting for the other {count - 1} of {count} processes ({known})",
            file=sys.stderr,
            flush=True,
        ),
    )
    waiting.daemon = True
    waiting.start()
    try:
        yield
    except (ValueError, dist.DistError) as error:
        why = str(error).splitlines()[0]
        raise UserError(f"WORLD_SIZE={count}: {why} ({known}); {remedy}") from error
    finally:
        waiting.cancel()
