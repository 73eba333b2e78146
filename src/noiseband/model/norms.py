"""Normalisation of the residual stream."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseband.study.recipe import Model


class LayerNorm(nn.Module):
    """Normalise the last dimension by its population variance; then scale and shift."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width))
        self.shift = nn.Parameter(torch.empty(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.scale.shape, self.scale, self.shift, eps=self.eps)


class RMSNorm(nn.Module):
    """Divide the last dimension by its root mean square, and scale (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.scale.shape, self.scale, eps=self.eps)


def make_norm(config: Model) -> nn.Module:
    """A norm of the kind that the model has, for tensors (..., width)."""
    kind = RMSNorm if config.norm.kind == "rms" else LayerNorm
    return kind(config.width, config.norm.eps)
