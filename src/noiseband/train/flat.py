"""All parameters in one tensor, all gradients in another.

One tensor means one optimiser kernel, one norm, one checksum, one write to a checkpoint, and a
gradient that can be summed over slots as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from noiseband.model.gpt import GPT, reference_parts

ALIGNMENT = 16
"""Elements to which each parameter's start is rounded up: 64 bytes in float32. Matrix libraries
choose their kernels, and so their last bits, by the alignment of their operands."""

Place = tuple[slice, torch.Size]
"""The place of a parameter in a flat tensor, and its shape."""


class FlatParameters:
    """Moves a model's parameters into `weights` (float32, 1-D), and their gradients into `grad`.

    Padding between parameters is zero in both and stays zero under every optimiser.
    """

    def __init__(self, model: GPT, values: Mapping[str, Tensor], device: torch.device) -> None:
        """
        Args:
            model: a model, whose parameters may have no storage and may be fused.
            values: initial weights by the reference's names.

        Raises:
            ValueError: the names or shapes of the weights do not fit the model.
        """
        self.model = model
        self.device = device
        self.slices: dict[str, Place] = {}
        """The place of every parameter, by the reference's name."""
        self.owned: dict[str, Place] = {}
        """The place of every parameter of the model; some consist of several of the reference's."""
        end = 0
        for name, parameter in model.named_parameters():
            begin = end
            for part, shape in reference_parts(name, parameter.shape, model.config):
                self.slices[part] = slice(end, end + shape.numel()), shape
                end += shape.numel()
            self.owned[name] = slice(begin, end), parameter.shape
            end = -(-end // ALIGNMENT) * ALIGNMENT
        if self.slices.keys() != values.keys():
            odd = sorted(self.slices.keys() ^ values.keys())
            raise ValueError(f"weights do not fit the model: {odd[0]} is in one and not the other")
        self.weights = torch.zeros(end, dtype=torch.float32, device=device)
        self.grad = torch.zeros_like(self.weights)
        self.weights.grad = self.grad
        self.load(values)
        for name, (where, shape) in self.owned.items():
            owner, _, attribute = name.rpartition(".")
            parameter = nn.Parameter(self.weights[where].view(shape))
            setattr(model.get_submodule(owner), attribute, parameter)
        self.parameters = dict(model.named_parameters())
        self.collector(self.grad)()

    def collector(self, flat: Tensor) -> Callable[[], None]:
        """Return a function that makes backward passes add to `flat`, as long as `weights`."""
        pairs = [
            (self.parameters[name], flat[where].view(shape))
            for name, (where, shape) in self.owned.items()
        ]

        def collect() -> None:
            for parameter, view in pairs:
                parameter.grad = view

        return collect

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of `flat` with the parameters' shapes, by the reference's names."""
        return {name: flat[where].view(shape) for name, (where, shape) in self.slices.items()}

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Copy values into the weights. Raises ValueError if a shape differs."""
        with torch.no_grad():
            for name, view in self.views(self.weights).items():
                if view.shape != values[name].shape:
                    shapes = tuple(values[name].shape), tuple(view.shape)
                    raise ValueError(f"{name} has shape {shapes[0]}, the model {shapes[1]}")
                view.copy_(values[name])

    def checksum(self) -> Tensor:
        """The sum of the weights' bits as 64-bit integers (two weights each), with wrap-around.

        It is an int64 scalar on the device of the weights, so that the CPU need not wait for it.
        """
        return self.weights.view(torch.int64).sum()
