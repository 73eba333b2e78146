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
"""Where a parameter lies in a flat tensor, and its shape."""


class FlatParameters:
    """Moves a model's parameters into `weights` (float32, 1-D) and gives them `grad` to fill.

    Padding between parameters is zero in both and stays zero under AdamW.
    """

    def __init__(self, model: GPT, values: Mapping[str, Tensor], device: torch.device) -> None:
        """
        Args:
            model: its parameters may be without storage, and some of them fused.
            values: initial weights under the reference's names.
        """
        self.model = model
        self.device = device
        self.slices: dict[str, Place] = {}
        """Every parameter under the reference's name, each by itself."""
        self.owned: dict[str, Place] = {}
        """Every parameter as the model has it: some are several of the reference's in a row."""
        end = 0
        for name, parameter in model.named_parameters():
            begin = end
            for part, shape in reference_parts(name, parameter.shape):
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
        """A function after whose call backward passes add to `flat`, of the length of `weights`."""
        pairs = [
            (self.parameters[name], flat[where].view(shape))
            for name, (where, shape) in self.owned.items()
        ]

        def collect() -> None:
            for parameter, view in pairs:
                parameter.grad = view

        return collect

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """`flat` cut into the parameters' shapes, by reference name, sharing its storage."""
        return {name: flat[where].view(shape) for name, (where, shape) in self.slices.items()}

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Copy values into the weights; ValueError where a shape differs."""
        with torch.no_grad():
            for name, view in self.views(self.weights).items():
                if view.shape != values[name].shape:
                    shapes = tuple(values[name].shape), tuple(view.shape)
                    raise ValueError(f"{name} has shape {shapes[0]}, the model {shapes[1]}")
                view.copy_(values[name])

    def checksum(self) -> Tensor:
        """Wrap-around sum of the weights' bits, read as 64-bit integers (two weights each): an
        int64 scalar where the weights are, so that nobody waits for it."""
        return self.weights.view(torch.int64).sum()
