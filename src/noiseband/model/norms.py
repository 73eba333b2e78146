"""Normalisation of the residual stream, and of queries and keys."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseband.model.draws import ONE, ZERO, Draw
from noiseband.model.ideas import kept_by, made_module
from noiseband.study.architecture import Model
from noiseband.study.plugins import is_idea


class LayerNorm(nn.Module):
    """Normalise the last dimension by its population variance; then scale and shift, if it has the
    parameters."""

    def __init__(self, width: int, eps: float, weight: bool, bias: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width)) if weight else None
        self.shift = nn.Parameter(torch.empty(width)) if bias else None
        self.initial: Mapping[str, Draw] = {"scale": ONE, "shift": ZERO}
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.scale, self.shift, eps=self.eps)


class RMSNorm(nn.Module):
    """Divide the last dimension by its root mean square, and scale, if it has the parameter (Zhang
    and Sennrich 2019)."""

    def __init__(self, width: int, eps: float, weight: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width)) if weight else None
        self.initial: Mapping[str, Draw] = {"scale": ONE}
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.scale, eps=self.eps)


def make_norm(config: Model, width: int | None = None) -> nn.Module:
    """A norm of the kind that the model has, for tensors (..., width); by default the model's."""
    width, options = width or config.width, config.norm
    if is_idea(options.kind):
        return made_module("norm", options, config, width, config)
    if options.kind == "rms":
        return RMSNorm(width, options.eps, options.weight)
    return LayerNorm(width, options.eps, options.weight, options.bias)


def kept_numbers(config: Model) -> int:
    """The numbers that a norm of the residual stream keeps for each token: its input, and for an
    RMSNorm its result before the scale. What an idea keeps is measured."""
    if is_idea(config.norm.kind):
        with torch.device("meta"):
            return kept_by(make_norm(config), torch.empty(1, 1, config.width))
    return (2 if config.norm.kind == "rms" else 1) * config.width
