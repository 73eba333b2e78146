"""An optimiser that is an idea of a plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.ideas.decorators import MEMORY
from noiseband.train.optimizers.state import Momentum, memory_for


class Own(Momentum):
    """Updates float32 parameters, one after another, by a function that remembers nothing itself.

    What it remembers of each parameter is in `memory`, which a checkpoint holds.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        kind: str,
        function: Callable[..., object],
        options: Mapping[str, Any],
        *,
        weight_decay: float,
    ) -> None:
        """
        Args:
            parameters: the weights, each with its gradient.
            kind: the idea's name in the recipe.
            function: the idea, as `noiseband.optimizer` describes it.
            options: its options.
            weight_decay: what it is given for these parameters.
        """
        super().__init__(parameters)
        self.kind, self.function, self.options = kind, function, options
        self.weight_decay = weight_decay
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
        """Update every parameter from its gradient.

        Raises UserError if the function returns something, replaces the weight, or leaves something
        in its memory that is no such memory.
        """
        self.count()
        update = int(self.updates[0])
        for place, (weight, gradient) in enumerate(
            zip(self.parameters, self.gradients, strict=True)
        ):
            memory = {name: self.remembered[name][place] for name in self.names}
            address = weight.data_ptr()
            returned = self.function(
                weight,
                gradient,
                memory,
                learning_rate,
                self.weight_decay,
                update,
                **self.options,
            )
            if returned is not None or weight.data_ptr() != address:
                raise UserError(
                    f"{self.kind}: should change the weight in place, as in weight.sub_(...), and "
                    "return nothing; a weight that it returns or replaces is not trained"
                )
            self._remember(memory, place)

    def _remember(self, memory: Mapping[str, Tensor], place: int) -> None:
        """Keep what the function put into its memory of a parameter instead of changing it there,
        as in `memory["m"] = 0.9 * memory["m"] + gradient`."""
        if memory.keys() != self.remembered.keys():
            odd = ", ".join(sorted(memory.keys() ^ self.remembered.keys()))
            declared = ", ".join(self.names) or "none"
            raise UserError(
                f"{self.kind}: {odd}: its memory has the names that its decorator declares "
                f"({declared}) and no others; declare it, as in memory=[...]"
            )
        for name, value in memory.items():
            kept = self.remembered[name][place]
            if value is kept:
                continue
            if not isinstance(value, Tensor) or value.shape != kept.shape:
                got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise UserError(
                    f"{self.kind}: memory[{name!r}] should stay a tensor of the weight's shape, "
                    f"{tuple(kept.shape)}, not {got}"
                )
            kept.copy_(value)
