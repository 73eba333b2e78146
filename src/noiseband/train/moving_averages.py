"""Exponential moving averages of the weights while a run trains.

They have no effect on the weights. Only the first process, which writes the files, holds them, and
they are functions of the weights after each step, so they have the same bits on any number of
processes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from noiseband.train.flat import FlatParameters

PREFIX = "average."
"""Begins the name of an average in a checkpoint; its decay follows. So a run never resumes an
average that was made with another decay."""


class MovingAverages:
    """One average for each decay, as PyTorch's `AveragedModel` with `get_ema_multi_avg_fn`."""

    def __init__(self, flat: FlatParameters, decays: Iterable[float]) -> None:
        self.flat = flat
        self.held = {decay: torch.zeros_like(flat.weights) for decay in sorted(set(decays))}
        """The averages by decay, flat like the weights."""

    def update(self, step: int) -> None:
        """Add the weights after `step`, counted from 0, whether it was skipped or not."""
        weights = self.flat.weights.detach()
        for decay, average in self.held.items():
            if step == 0:
                average.copy_(weights)
            else:
                average.lerp_(weights, 1.0 - decay)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint has of them; not copies."""
        return {state_name(decay): average for decay, average in self.held.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue with the averages in a checkpoint."""
        for decay, average in self.held.items():
            average.copy_(tensors[state_name(decay)])

    def weights(self, decay: float) -> dict[str, Tensor]:
        """A copy of an average, by the reference's names, on the CPU."""
        views = self.flat.views(self.held[decay])
        return {name: view.cpu().clone() for name, view in views.items()}


def state_name(decay: float) -> str:
    """The name of an average in a checkpoint."""
    return f"{PREFIX}{decay!r}"
