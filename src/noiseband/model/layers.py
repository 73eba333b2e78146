"""The layers that the parts of a model consist of. Their parameters are created uninitialised."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Module):
    """`x @ weight.T + bias`; weight (out, in), bias (out,) or absent."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(fan_out, fan_in))
        self.bias = nn.Parameter(torch.empty(fan_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Embedding(nn.Module):
    """Rows of weight (entries, width) by index."""

    def __init__(self, entries: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(entries, width))
        self.lookup: Callable[[Tensor, Tensor], Tensor] = F.embedding
        """The operation, which may be replaced by one with another kernel for the gradient."""

    def forward(self, index: Tensor) -> Tensor:
        return self.lookup(index, self.weight)
