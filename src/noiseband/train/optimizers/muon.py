"""Muon (Jordan 2024), by the function that `torch.optim.Muon.step` calls.

It moves a matrix along its momentum, made nearly orthogonal by a few Newton-Schulz iterations in
bfloat16. https://kellerjordan.github.io/posts/muon/
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# `torch.optim.Muon` calls this function, but the class imports the compiler, as AdamW's does.
from torch.optim._muon import DEFAULT_A, DEFAULT_B, DEFAULT_C, EPS, muon

from noiseband.determinism import products_in
from noiseband.study.optimizer import Muon as Options
from noiseband.train.optimizers.state import Momentum


class Muon(Momentum):
    """Updates float32 matrices from their gradients, with decoupled weight decay on each."""

    def __init__(
        self, parameters: Sequence[Tensor], options: Options, *, weight_decay: float
    ) -> None:
        """
        Args:
            parameters: two-dimensional tensors.
            options: the momentum and the iterations.
            weight_decay: used in place of that of the options.
        """
        super().__init__(parameters)
        self.options, self.weight_decay = options, weight_decay

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every matrix from its gradient."""
        self.count()
        with products_in(torch.bfloat16, self.parameters[0].device):
            muon(
                self.parameters,
                self.gradients,
                self.momenta,
                lr=learning_rate,
                weight_decay=self.weight_decay,
                momentum=self.options.momentum,
                nesterov=self.options.nesterov,
                ns_coefficients=(DEFAULT_A, DEFAULT_B, DEFAULT_C),
                ns_steps=self.options.iterations,
                eps=EPS,
                adjust_lr_fn=self.options.scale,
                has_complex=False,
            )
