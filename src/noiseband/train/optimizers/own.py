"""An optimiser that is an idea of a plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from noiseband.ideas.decorators import MEMORY
from noiseband.train.optimizers.state import Momentum, memory_for


class Own(Momentum):
    """Updates float32 parameters, one after another, by a function that remembers nothing itself.

    What it remembers of each parameter is in `memory`, which a checkpoint holds.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        function: Callable[..., None],
        options: Mapping[str, Any],
        *,
        weight_decay: float,
    ) -> None:
        """
        Args:
            parameters: the weights, each with its gradient.
            function: the idea, as `noiseband.optimizer` describes it.
            options: its options.
            weight_decay: what it is given for these parameters.
        """
        super().__init__(parameters)
        self.function, self.options, self.weight_decay = function, options, weight_decay
        self.names = MEMORY[function]
        """The names of what it remembers."""
        self.remembered: dict[str, list[Tensor]] = {}
        """Views of `memory` of the parameters' shapes."""

    def begin(self, updates: float) -> None:
        """Make `memory`, all zeros, as after `updates` updates."""
        for name in self.names:
            self.memory[name], self.remembered[name] = memory_for(self.parameters)
        self.updates = [torch.tensor(updates)]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter from its gradient."""
        self.count()
        update = int(self.updates[0])
        for place, (weight, gradient) in enumerate(
            zip(self.parameters, self.gradients, strict=True)
        ):
            memory = {name: self.remembered[name][place] for name in self.names}
            self.function(
                weight,
                gradient,
                memory,
                learning_rate,
                self.weight_decay,
                update,
                **self.options,
            )
