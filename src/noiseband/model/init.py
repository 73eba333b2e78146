"""Initial weights: embeddings N(0, 1); linear layers U(+-1/sqrt(fan_in)), biases too; norms 1, 0.

Two methods draw from these same distributions (PyTorch's defaults). `keyed` draws each tensor
from (init_seed, name), so that a parameter more or less changes no other. `reference` draws them
one after another from a single generator, as the reference series did, and gives its bits.
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
    """float32 tensors by parameter name, on the CPU, in the order of `parameter_shapes`."""
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
            # A bias is bounded by the fan-in of the weight beside it.
            fan_in = shapes[f"{layer}.weight"][1]
            weights[name] = draw(name, shape, None if "_emb" in layer else fan_in)
    return weights


Draw = Callable[[str, tuple[int, ...], int | None], Tensor]
"""(name, shape, fan-in of a linear layer or None for N(0, 1)) to a float32 tensor."""


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
            # Its bound is computed another way than the bias's and may differ in the last bit.
            return torch.nn.init.kaiming_uniform_(tensor, a=math.sqrt(5), generator=generator)
        bound = 1.0 / math.sqrt(fan_in)
        return tensor.uniform_(-bound, bound, generator=generator)

    return draw


def write_init(
    config: Model, method: Literal["keyed", "reference"], seed: int, weights: Path, out: Path
) -> str:
    """Write the weights as safetensors and their digests as JSON; return the whole's digest."""
    tensors = initial_weights(config, method, seed)
    with atomic(weights) as temporary:
        save_file(tensors, temporary)
    found = digests(tensors)
    write_json(out, found)
    return str(found["sha256"])
