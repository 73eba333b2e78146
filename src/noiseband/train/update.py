"""The update of the weights: gradient clipping and AdamW on the flat tensor."""

from __future__ import annotations

import math

from torch import Tensor

from noiseband.study.recipe import Optimizer
from noiseband.train.adamw import AdamW
from noiseband.train.flat import FlatParameters


class Update:
    """Clips the gradient in `flat.grad` and updates `flat.weights` with AdamW."""

    def __init__(self, flat: FlatParameters, options: Optimizer) -> None:
        self.flat = flat
        self.adamw = AdamW(
            [flat.weights],
            betas=(options.betas[0], options.betas[1]),
            eps=options.eps,
            weight_decay=options.weight_decay,
            fused=options.fused,
        )
        self.limit = math.inf if options.clip_norm is None else options.clip_norm
        """The largest norm that a gradient keeps; longer gradients are scaled down to it."""
        self.waits = flat.device.type == "cpu" or not options.fused
        """Whether an update waits for the norm of the gradient. On a GPU the fused kernel reads the
        norm itself, so that a step waits for the GPU only once, for the trace."""

    def apply(self, learning_rate: float, norm: Tensor) -> None:
        """Clip the gradient and update the weights, unless the norm is not finite.

        Args:
            learning_rate: the rate of this step.
            norm: float32 scalar, the norm of `flat.grad`.
        """
        if self.waits:
            length = float(norm)
            if not math.isfinite(length):
                return
            if length > self.limit:
                self.flat.grad.mul_(self.limit / length)
            self.adamw.step(learning_rate)
        else:
            scale = (norm / self.limit).clamp(min=1.0) if self.limit < math.inf else None
            found_inf = (~norm.isfinite()).float()
            self.adamw.step(learning_rate, grad_scale=scale, found_inf=found_inf)

    def state(self) -> dict[str, Tensor]:
        """The moments and the number of updates; empty before the first update."""
        if not self.adamw.updates:
            return {}
        return {
            "first_moment": self.adamw.first_moments[0],
            "second_moment": self.adamw.second_moments[0],
            "updates": self.adamw.updates[0],
        }

    def restore(self, first_moment: Tensor, second_moment: Tensor, updates: float) -> None:
        """Continue after `updates` updates, with these moments, each shaped like `flat.weights`."""
        self.adamw.restore([first_moment], [second_moment], updates)
