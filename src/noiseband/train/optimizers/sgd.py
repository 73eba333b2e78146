"""Gradient descent with momentum, by the function that `torch.optim.SGD.step` calls."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from noiseband.train.optimizers.state import memory_for


class Sgd:
    """Updates float32 `parameters` from their gradients. Weight decay is added to the gradient."""

    def __init__(
        self, parameters: Sequence[Tensor], *, momentum: float, weight_decay: float
    ) -> None:
        self.parameters = list(parameters)
        self.momentum, self.weight_decay = momentum, weight_decay
        self.updates: list[Tensor] = []
        """The number of updates; empty before the first step."""
        self.memory: dict[str, Tensor] = {}
        """The momentum of all parameters as a flat tensor, which may be written to."""

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter from its gradient."""
        if not self.updates:
            self.begin(updates=0.0)
        sgd(
            self.parameters,
            [parameter.grad for parameter in self.parameters if parameter.grad is not None],
            list(self.buffers),
            foreach=False,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        self.updates[0] += 1

    def begin(self, updates: float) -> None:
        """Make `memory`, all zeros, as after `updates` updates."""
        flat, self.buffers = memory_for(self.parameters)
        self.memory = {"momentum": flat}
        self.updates = [torch.tensor(updates)]
