"""All parameters in one tensor, all gradients in another.

One tensor means one optimiser kernel, one norm, one checksum, one write to a checkpoint, and a
gradient that can be summed over slots as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

ALIGNMENT = 16
"""Elements to which each parameter's start is rounded up: 64 bytes in float32. Matrix libraries
choose their kernels, and so their last bits, by the alignment of their operands."""


class FlatParameters:
    """Moves a model's parameters into `weights` (float32, 1-D) and gives them `grad` to fill.

    Padding between parameters is zero in both and stays zero under AdamW.
    """

    def __init__(
        self, model: nn.Module, values: Mapping[str, Tensor], device: torch.device
    ) -> None:
        self.model = model
        self.slices: dict[str, tuple[slice, torch.Size]] = {}
        end = 0
        for name, parameter in model.named_parameters():
            self.slices[name] = slice(end, end + parameter.numel()), parameter.shape
            end += -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
        if self.slices.keys() != values.keys():
            odd = sorted(self.slices.keys() ^ values.keys())
            raise ValueError(f"weights do not fit the model: {odd[0]} is in one and not the other")
        self.weights = torch.zeros(end, dtype=torch.float32, device=device)
        self.grad = torch.zeros_like(self.weights)
        self.weights.grad = self.grad
        self.load(values)
        for name, view in self.views(self.weights).items():
            owner, _, attribute = name.rpartition(".")
            parameter = nn.Parameter(view)
            parameter.grad = self.views(self.grad)[name]
            setattr(model.get_submodule(owner), attribute, parameter)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """`flat` cut into the parameters' shapes, by name, sharing its storage."""
        return {name: flat[where].view(shape) for name, (where, shape) in self.slices.items()}

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Copy values into the weights; ValueError where a shape differs."""
        with torch.no_grad():
            for name, view in self.views(self.weights).items():
                if view.shape != values[name].shape:
                    shapes = tuple(values[name].shape), tuple(view.shape)
                    raise ValueError(f"{name} has shape {shapes[0]}, the model {shapes[1]}")
                view.copy_(values[name])

    def checksum(self) -> int:
        """Wrap-around sum of the weights' bits as int64: cheap, independent of order."""
        return int(self.weights.view(torch.int32).sum(dtype=torch.int64))
