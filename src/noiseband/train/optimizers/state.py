"""What an optimiser remembers of its parameters: one flat tensor for each kind of memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from noiseband.train.flat import ALIGNMENT


class Momentum:
    """Float32 parameters with one momentum each, which SGD and Muon update."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.updates: list[Tensor] = []
        """The number of updates, one float32 scalar; empty before the first step."""
        self.memory: dict[str, Tensor] = {}
        """The momentum of all parameters as a flat tensor, which may be written to."""
        self.momenta: list[Tensor] = []
        """Its views of the parameters' shapes."""

    @property
    def gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def begin(self, updates: float) -> None:
        """Make `memory`, all zeros, as after `updates` updates."""
        flat, self.momenta = memory_for(self.parameters)
        self.memory = {"momentum": flat}
        self.updates = [torch.tensor(updates)]

    def count(self) -> None:
        """Begin one more update."""
        if not self.updates:
            self.begin(updates=0.0)
        self.updates[0] += 1


def memory_for(parameters: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """A flat float32 tensor of zeros on the parameters' device, and its views of their shapes."""
    size = sum(_room(parameter) for parameter in parameters)
    if len(parameters) == 1:
        size = parameters[0].numel()
    flat = torch.zeros(size, dtype=torch.float32, device=parameters[0].device)
    return flat, views_for(parameters, flat)


def views_for(parameters: Sequence[Tensor], flat: Tensor) -> list[Tensor]:
    """Views of a tensor that `memory_for` made, of the parameters' shapes. Each starts at a
    multiple of `ALIGNMENT`."""
    views, begin = [], 0
    for parameter in parameters:
        views.append(flat[begin : begin + parameter.numel()].view(parameter.shape))
        begin += _room(parameter)
    return views


def _room(parameter: Tensor) -> int:
    return -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
