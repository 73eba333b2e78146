"""The feed-forward part of a block, and the activations that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseband.model.ideas import kept_by, made_module
from noiseband.model.layers import Linear
from noiseband.study.architecture import Model
from noiseband.study.plugins import is_idea


class SquaredReLU(nn.Module):
    """max(x, 0) squared (So and others 2021, Primer)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "gelu-tanh": lambda: nn.GELU(approximate="tanh"),
    "gelu": nn.GELU,
    "relu2": SquaredReLU,
    "swiglu": nn.SiLU,
    "geglu": nn.GELU,
}
"""The activation of each kind; for a gated kind, that of its gate."""


class FeedForward(nn.Module):
    """down(activation(up(x))), or, for a gated kind, down(activation(gate(x)) * up(x)).

    Gated kinds are those of Shazeer (2020), GLU Variants Improve Transformer.
    """

    def __init__(self, config: Model) -> None:
        super().__init__()
        width, hidden, options = config.width, config.hidden, config.feed_forward
        activation = ACTIVATIONS[options.kind]()
        # A list with the activation in the middle, so that the parameters are layers.0 and
        # layers.2 as in the reference.
        self.layers = nn.Sequential(
            Linear(config, width, hidden, options.bias),
            activation,
            Linear(config, hidden, width, options.bias, "residual"),
        )
        self.gate = Linear(config, width, hidden, options.bias) if options.gated else None

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is None:
            out: Tensor = self.layers(x)
        else:
            up, activation, down = self.layers
            out = down(activation(self.gate(x)) * up(x))
        return out


def make_feed_forward(config: Model) -> nn.Module:
    """The feed-forward part of the kind that the model has."""
    if is_idea(config.feed_forward.kind):
        return made_module("feed_forward", config.feed_forward, config, config)
    return FeedForward(config)


def kept_numbers(config: Model) -> int:
    """The numbers that a forward pass keeps for each token, for the backward pass.

    They are the input, and of width `hidden` the input of the activation and that of the last
    layer; a gated kind also keeps both factors of its product. What an idea keeps is measured.
    """
    if is_idea(config.feed_forward.kind):
        with torch.device("meta"):
            part = make_feed_forward(config)
            kept = kept_by(part, torch.empty(1, config.context, config.width))
        return -(-kept // config.context)
    return config.width + (4 if config.feed_forward.gated else 2) * config.hidden
