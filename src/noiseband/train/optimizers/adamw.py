"""AdamW (Loshchilov and Hutter 2019) by PyTorch's kernels, without PyTorch's optimiser classes.

`torch.optim.AdamW` imports PyTorch's compiler, which takes seconds of every process and is not used
here. This class calls the function that `torch.optim.AdamW.step` calls, so it has the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from noiseband.train.optimizers.state import memory_for


class AdamW:
    """Updates float32 `parameters` from their gradients, with weight decay on each of them."""

    def __init__(
        self,
        parameters: Sequence[Tensor],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float,
        fused: bool,
    ) -> None:
        self.parameters = list(parameters)
        self.betas, self.eps, self.weight_decay, self.fused = betas, eps, weight_decay, fused
        self.first_moments: list[Tensor] = []
        """One for each parameter, of its shape; empty before the first step. So are the others."""
        self.second_moments: list[Tensor] = []
        self.updates: list[Tensor] = []
        """The number of updates of each parameter: float32 scalars, which the fused kernel counts
        on the parameter's device, and the other kernel on the CPU."""
        self.memory: dict[str, Tensor] = {}
        """The two moments of all parameters as flat tensors, which may be written to."""

    @torch.no_grad()
    def step(
        self,
        learning_rate: float,
        *,
        grad_scale: Tensor | None = None,
        found_inf: Tensor | None = None,
    ) -> None:
        """Update every parameter from its gradient.

        The fused kernel reads two float32 scalars on the parameters' device, so that the CPU need
        not wait for them: it divides the gradients by `grad_scale`, and leaves everything as it is
        if `found_inf` is 1.
        """
        if not self.updates:
            self.begin(updates=0.0)
        adamw(
            self.parameters,
            [parameter.grad for parameter in self.parameters if parameter.grad is not None],
            self.first_moments,
            self.second_moments,
            [],
            self.updates,
            fused=self.fused,
            grad_scale=grad_scale,
            found_inf=found_inf,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=learning_rate,
            weight_decay=self.weight_decay,
            eps=self.eps,
            maximize=False,
        )

    def begin(self, updates: float) -> None:
        """Make `memory`, all zeros, as after `updates` updates."""
        first, self.first_moments = memory_for(self.parameters)
        second, self.second_moments = memory_for(self.parameters)
        self.memory = {"first_moment": first, "second_moment": second}
        self.updates = [
            torch.tensor(updates, dtype=torch.float32, device=p.device if self.fused else "cpu")
            for p in self.parameters
        ]

    def clear(self) -> None:
        """Release the gradients, so that the next backward pass does not add to them."""
        for parameter in self.parameters:
            parameter.grad = None
