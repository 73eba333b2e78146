"""What an optimiser remembers of its parameters: one flat tensor for each kind of memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from noiseband.train.flat import ALIGNMENT


def memory_for(parameters: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """A flat float32 tensor of zeros on the parameters' device, and its views of their shapes."""
    size = sum(_room(parameter) for parameter in parameters)
    if len(parameters) == 1:
        size = parameters[0].numel()
    flat = torch.zeros(size, dtype=torch.float32, device=parameters[0].device)
    return flat, views_for(parameters, flat)


def views_for(parameters: Sequence[Tensor], flat: Tensor) -> list[Tensor]:
    """Views of a tensor that `memory_for` made, of the parameters' shapes. Each starts at a
    multiple of `ALIGNMENT`."""
    views, begin = [], 0
    for parameter in parameters:
        views.append(flat[begin : begin + parameter.numel()].view(parameter.shape))
        begin += _room(parameter)
    return views


def _room(parameter: Tensor) -> int:
    return -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
