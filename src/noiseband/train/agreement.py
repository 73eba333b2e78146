"""What the processes of a run tell one another after each step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from noiseband.train.launch.processes import Processes


@dataclass(frozen=True)
class Agreement:
    """The facts of a step, equal on all processes."""

    losses: Tensor
    """Losses of all slots in order (slots,), float64, in nats, on the CPU."""
    norm: float
    """Norm of the gradient before clipping; it may be infinite or NaN."""
    checksum: int
    """Checksum of the weights after the update."""
    stop: int
    """Signal that asked any process to stop, or 0."""


def agree(
    processes: Processes, step: int, losses: Tensor, norm: Tensor, checksum: Tensor, stop: int
) -> Agreement:
    """Exchange a few bytes with all processes, and check that their weights are equal.

    It is the only moment of a step at which the CPU waits for a GPU.

    Args:
        processes: the processes of the run.
        step: number of the step, for the error.
        losses: float64 (own slots,), the losses of this process's slots.
        norm: float32 scalar, the norm of the gradient.
        checksum: int64 scalar, the checksum of this process's weights.
        stop: the signal that asked this process to stop, or 0.

    Raises:
        PeerLost: another process ended.
        RuntimeError: two processes hold different weights.
    """
    facts = torch.full((3,), stop, dtype=torch.int64, device=losses.device)
    facts[0] = checksum
    facts[1:2] = norm.double().view(1).view(torch.int64)
    everyone = processes.gather(torch.cat([losses.view(torch.int64), facts])).cpu()
    own = everyone[processes.rank]
    different = (everyone[:, -3] != own[-3]).nonzero()
    if len(different):
        raise RuntimeError(
            f"step {step}: processes {processes.rank} and {int(different[0])} hold different "
            "weights; they must run on one class of processor, and the memory of both must be sound"
        )
    return Agreement(
        losses=everyone[:, :-3].contiguous().view(torch.float64).flatten(),
        norm=float(own[-2:-1].view(torch.float64)),
        checksum=int(own[-3]),
        stop=int(everyone[:, -1].max()),
    )
