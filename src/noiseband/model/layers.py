"""The layers that the parts of a model consist of.

Their parameters are created uninitialised. `initial` has the distribution of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseband.model.draws import Draw, Role, of_embedding, of_linear
from noiseband.study.architecture import Model


class Linear(nn.Module):
    """`x @ weight.T + bias`; weight (out, in), bias (out,) or absent."""

    def __init__(
        self, config: Model, fan_in: int, fan_out: int, bias: bool = True, role: Role = "hidden"
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(fan_out, fan_in))
        self.bias = nn.Parameter(torch.empty(fan_out)) if bias else None
        self.initial: Mapping[str, Draw] = of_linear(config, fan_in, role)._asdict()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Embedding(nn.Module):
    """Rows of weight (entries, width) by index."""

    def __init__(self, config: Model, entries: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(entries, config.width))
        self.initial: Mapping[str, Draw] = {"weight": of_embedding(config)}
        self.lookup: Callable[[Tensor, Tensor], Tensor] = F.embedding
        """The operation, which may be replaced by one with another kernel for the gradient."""

    def forward(self, index: Tensor) -> Tensor:
        return self.lookup(index, self.weight)
