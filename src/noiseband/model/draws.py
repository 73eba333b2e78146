"""The distributions that a model's initial weights are drawn from; every layer carries its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from noiseband.study.architecture import Model

Role = Literal["hidden", "residual", "head"]
"""What a linear layer is in a model. The output of a `residual` one is added to the residual
stream; `head` is the output head."""


@dataclass(frozen=True)
class Draw:
    """A distribution of a tensor's elements."""

    kind: Literal["normal", "uniform", "constant"]
    size: float
    """The standard deviation of N(0, size^2), the bound of U(-size, size), or the constant."""


ZERO, ONE = Draw("constant", 0.0), Draw("constant", 1.0)


class Draws(NamedTuple):
    """The distributions of a linear layer."""

    weight: Draw
    bias: Draw


def of_linear(config: Model, fan_in: int, role: Role = "hidden") -> Draws:
    """The distributions of a linear layer with `fan_in` inputs."""
    initial = config.initial_weights
    if (initial.zero_residual and role == "residual") or (initial.zero_head and role == "head"):
        return Draws(ZERO, ZERO)
    if initial.kind == "torch":
        uniform = Draw("uniform", 1.0 / math.sqrt(fan_in))
        return Draws(uniform, uniform)
    # Radford and others 2019, section 2.3: a residual stream that sums 2 x layers outputs.
    shrunk = 1.0 / math.sqrt(2 * config.layers) if role == "residual" else 1.0
    return Draws(Draw("normal", initial.std * shrunk), ZERO)


def of_embedding(config: Model) -> Draw:
    """The distribution of an embedding."""
    initial = config.initial_weights
    return Draw("normal", 1.0 if initial.kind == "torch" else initial.std)
