"""The update of the weights: gradient clipping and AdamW on the flat tensor."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from noiseband.study.recipe import Optimizer
from noiseband.train.flat import FlatParameters


class Update:
    """Clips the gradient in `flat.grad` and updates `flat.weights` with AdamW."""

    def __init__(self, flat: FlatParameters, options: Optimizer) -> None:
        self.flat = flat
        self.adamw = torch.optim.AdamW(
            [flat.weights],
            lr=options.learning_rate,
            betas=(options.betas[0], options.betas[1]),
            eps=options.eps,
            weight_decay=options.weight_decay,
            fused=options.fused,
        )
        self.limit = math.inf if options.clip_norm is None else options.clip_norm
        """The largest norm that a gradient keeps; longer gradients are scaled down to it."""
        # The fused kernel counts the updates on the device, the other kernel on the CPU.
        self.counts_on = flat.device if options.fused else torch.device("cpu")
        self.waits = flat.device.type == "cpu" or not options.fused
        """Whether an update waits for the norm of the gradient. On a GPU the fused kernel reads the
        norm itself, so that a step waits for the GPU only once, for the trace."""

    def apply(self, learning_rate: float, norm: Tensor) -> None:
        """Clip the gradient and update the weights, unless the norm is not finite.

        Args:
            learning_rate: the rate of this step.
            norm: float32 scalar, the norm of `flat.grad`.
        """
        self.adamw.param_groups[0]["lr"] = learning_rate
        if self.waits:
            length = float(norm)
            if not math.isfinite(length):
                return
            if length > self.limit:
                self.flat.grad.mul_(self.limit / length)
        else:
            # PyTorch's interface to pass values to the fused kernel that are still on the GPU.
            self.adamw.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
            if self.limit < math.inf:
                self.adamw.grad_scale = (norm / self.limit).clamp(min=1.0)  # type: ignore[attr-defined]
        self.adamw.step()

    def state(self) -> dict[str, Tensor]:
        """The moments and the number of updates; empty before the first update."""
        moments = self.adamw.state[self.flat.weights]
        if not moments:
            return {}
        return {
            "first_moment": moments["exp_avg"],
            "second_moment": moments["exp_avg_sq"],
            "updates": moments["step"],
        }

    def restore(self, first_moment: Tensor, second_moment: Tensor, updates: float) -> None:
        """Continue after `updates` updates, with these moments, each shaped like `flat.weights`."""
        self.adamw.state[self.flat.weights] = {
            "step": torch.tensor(updates, dtype=torch.float32, device=self.counts_on),
            "exp_avg": first_moment,
            "exp_avg_sq": second_moment,
        }
