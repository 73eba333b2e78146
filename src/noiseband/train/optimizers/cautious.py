"""Cautious weight decay (Chen et al. 2025): decay only where the update also goes towards zero."""

from __future__ import annotations

import torch
from torch import Tensor

from noiseband.train.optimizers.adamw import AdamW
from noiseband.train.optimizers.muon import Muon
from noiseband.train.optimizers.own import Own
from noiseband.train.optimizers.sgd import Sgd


class Cautious:
    """An optimiser without weight decay of its own, followed by decoupled weight decay.

    Where u is the optimiser's step along minus the gradient and w a weight before it, the weight
    loses learning_rate x weight_decay x w if u x w >= 0, and otherwise nothing.
    """

    def __init__(self, optimizer: AdamW | Muon | Sgd | Own, weight_decay: float) -> None:
        self.optimizer, self.weight_decay = optimizer, weight_decay

    @property
    def updates(self) -> list[Tensor]:
        return self.optimizer.updates

    @property
    def memory(self) -> dict[str, Tensor]:
        return self.optimizer.memory

    def begin(self, updates: float) -> None:
        self.optimizer.begin(updates)

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter from its gradient."""
        before = [parameter.detach().clone() for parameter in self.optimizer.parameters]
        self.optimizer.step(learning_rate)
        for weight, old in zip(self.optimizer.parameters, before, strict=True):
            towards_zero = (old - weight) * old >= 0
            weight.sub_(old * towards_zero, alpha=learning_rate * self.weight_decay)
