"""Gradient descent with momentum, by the function that `torch.optim.SGD.step` calls."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from noiseband.train.optimizers.state import Momentum


class Sgd(Momentum):
    """Updates float32 `parameters` from their gradients. Weight decay is added to the gradient."""

    def __init__(
        self, parameters: Sequence[Tensor], *, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(parameters)
        self.momentum, self.weight_decay = momentum, weight_decay

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter from its gradient."""
        self.count()
        sgd(
            self.parameters,
            self.gradients,
            list(self.momenta),  # the function may change the list itself
            foreach=False,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
