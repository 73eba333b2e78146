"""What an optimiser remembers of its parameters: one flat tensor for each kind of memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from noiseband.train.flat import ALIGNMENT


def memory_for(parameters: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """A flat float32 tensor of zeros on the parameters' device, and its views of their shapes.

    Every view starts at a multiple of `ALIGNMENT`. For one flat parameter, the view is as long as
    that.
    """
    ends = [0]
    for parameter in parameters:
        ends.append(ends[-1] + -(-parameter.numel() // ALIGNMENT) * ALIGNMENT)
    if len(parameters) == 1:
        ends[-1] = parameters[0].numel()
    flat = torch.zeros(ends[-1], dtype=torch.float32, device=parameters[0].device)
    views = [
        flat[begin : begin + parameter.numel()].view(parameter.shape)
        for begin, parameter in zip(ends, parameters, strict=False)
    ]
    return flat, views
