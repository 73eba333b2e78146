"""Initial weights of a model.

Embeddings are drawn from N(0, 1), weights and biases of linear layers from U(+-1/sqrt(fan_in));
norms have scale 1 and shift 0. These are PyTorch's defaults. `keyed` draws each tensor from
(init_seed, name), so that adding or removing a parameter changes no other. `reference` draws all
from a single generator, one after another, and gives the bits of the published series.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from noiseband.io.digests import digests
from noiseband.io.files import atomic, write_json
from noiseband.model import keyed
from noiseband.model.gpt import parameter_shapes
from noiseband.study.recipe import Model


def initial_weights(
    config: Model, method: Literal["keyed", "reference"], seed: int
) -> dict[str, Tensor]:
    """The float32 tensors by parameter name, on the CPU, in the order of `parameter_shapes`."""
    draw = _keyed(seed) if method == "keyed" else _reference(seed)
    shapes = parameter_shapes(config)
    weights: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        layer, _, kind = name.rpartition(".")
        if kind == "scale":
            weights[name] = torch.ones(shape)
        elif kind == "shift":
            weights[name] = torch.zeros(shape)
        else:
            # The bound of a bias depends on the fan-in of its layer's weight.
            fan_in = shapes[f"{layer}.weight"][1]
            weights[name] = draw(name, shape, None if "_emb" in layer else fan_in)
    return weights


Draw = Callable[[str, tuple[int, ...], int | None], Tensor]
"""Draws a float32 tensor from (name, shape, fan-in of a linear layer or None for N(0, 1))."""


def _keyed(seed: int) -> Draw:
    def draw(name: str, shape: tuple[int, ...], fan_in: int | None) -> Tensor:
        count = math.prod(shape)
        values = (
            keyed.normal(seed, name, count)
            if fan_in is None
            else keyed.uniform(seed, name, count, 1.0 / math.sqrt(fan_in))
        )
        return torch.from_numpy(values).reshape(shape)

    return draw


def _reference(seed: int) -> Draw:
    generator = torch.Generator().manual_seed(seed)

    def draw(name: str, shape: tuple[int, ...], fan_in: int | None) -> Tensor:
        tensor = torch.empty(shape)
        if fan_in is None:
            return tensor.normal_(generator=generator)
        if len(shape) == 2:
            # PyTorch computes this bound in another way than a bias's; the last bit may differ.
            return torch.nn.init.kaiming_uniform_(tensor, a=math.sqrt(5), generator=generator)
        bound = 1.0 / math.sqrt(fan_in)
        return tensor.uniform_(-bound, bound, generator=generator)

    return draw


def write_init(
    config: Model, method: Literal["keyed", "reference"], seed: int, weights: Path, out: Path
) -> str:
    """Write the weights as safetensors and their digests as JSON; return the digest of all."""
    tensors = initial_weights(config, method, seed)
    with atomic(weights) as temporary:
        save_file(tensors, temporary)
    found = digests(tensors)
    write_json(out, found)
    return str(found["sha256"])
