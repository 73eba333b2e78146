"""Rotary positions (Su and others 2021, RoFormer)."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.model.ideas import checked_output, made_module
from noiseband.study.architecture import Model
from noiseband.study.plugins import is_idea


class Turn(Protocol):
    """Tells queries and keys where their tokens are."""

    def __call__(self, x: Tensor) -> Tensor:
        """x: (rows, time, heads, head width), and so is the result, in the same dtype."""


class OwnTurn:
    """That of an idea."""

    def __init__(self, kind: str, module: Any, positions: Tensor) -> None:
        self.kind, self.module, self.positions = kind, module, positions

    def __call__(self, x: Tensor) -> Tensor:
        turned = self.module.turn(x, self.positions)
        return checked_output(self.kind, turned, x.shape, "turn ").to(x.dtype)


def make_positions(config: Model) -> Any:
    """The module of positions that are an idea of a plugin; None for other kinds. Raises UserError
    if it has neither of its methods."""
    if not is_idea(config.positions.kind):
        return None
    module = made_module("positions", config.positions, config, config)
    if not hasattr(module, "embed") and not hasattr(module, "turn"):
        raise UserError(
            f"{config.positions.kind}: has neither a method `embed(positions)` nor "
            "`turn(heads, positions)`; write one of them"
        )
    return module


class Rotation:
    """Rotates pairs of numbers of a head by angles that grow with the position.

    The pairs are those of `transformers`' Llama: the first half of the rotated numbers with the
    second half.
    """

    def __init__(self, config: Model, positions: Tensor, dtype: torch.dtype) -> None:
        """
        Args:
            positions: of each token, (rows or 1, time).
            dtype: type of the sines and cosines.
        """
        self.width, device = config.rotated, positions.device
        # In float64, because a library's float32 cosines differ in their last bits between
        # processors, and a float32 angle of a late position has few digits after the point.
        powers = torch.arange(0, self.width, 2, dtype=torch.float64, device=device) / self.width
        angles = positions[..., None, None].double() * config.positions.base**-powers
        cosine, sine = angles.cos().to(dtype), angles.sin().to(dtype)
        self.cosines = torch.cat([cosine, cosine], dim=-1)
        self.sines = torch.cat([-sine, sine], dim=-1)

    def __call__(self, x: Tensor) -> Tensor:
        """x: (rows, time, heads, head width), and so is the result, in the same dtype."""
        turned = x[..., : self.width]
        swapped = turned.roll(self.width // 2, dims=-1)
        turned = torch.addcmul(turned * self.cosines, swapped, self.sines).to(x.dtype)
        if self.width == x.shape[-1]:
            return turned
        return torch.cat([turned, x[..., self.width :]], dim=-1)
