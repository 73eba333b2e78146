"""Initial weights of a model.

Every layer of a model says how its parameters are distributed (`noiseband.model.draws`). `keyed`
draws each tensor from (init_seed, name), so that adding or removing a parameter changes no other.
`reference` draws all from a single generator, one after another, and gives the bits of the
published series.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from noiseband.io.digests import digests
from noiseband.io.files import atomic, write_json
from noiseband.model import keyed
from noiseband.model.draws import Draw
from noiseband.model.gpt import empty_model
from noiseband.model.ideas import draw_of
from noiseband.study.architecture import Model


def initial_weights(
    config: Model, method: Literal["keyed", "reference"], seed: int
) -> dict[str, Tensor]:
    """The float32 tensors by parameter name, on the CPU, in the order of `parameter_shapes`."""
    model = empty_model(config)
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        how = draw_of(model, name, config)
        if how.kind == "constant":
            weights[name] = torch.full(parameter.shape, how.size)
        elif method == "keyed":
            weights[name] = _keyed(seed, name, parameter.shape, how)
        else:
            weights[name] = _reference(generator, parameter.shape, how)
    return weights


def _keyed(seed: int, name: str, shape: torch.Size, how: Draw) -> Tensor:
    if how.kind == "normal":
        values = keyed.normal(seed, name, shape.numel(), how.size)
    else:
        values = keyed.uniform(seed, name, shape.numel(), how.size)
    return torch.from_numpy(values).reshape(shape)


def _reference(generator: torch.Generator, shape: torch.Size, how: Draw) -> Tensor:
    tensor = torch.empty(shape)
    if how.kind == "normal":
        return tensor.normal_(std=how.size, generator=generator)
    if len(shape) == 2 and how.size == 1.0 / math.sqrt(shape[1]):
        # PyTorch computes this bound in another way than a bias's; the last bit may differ.
        return torch.nn.init.kaiming_uniform_(tensor, a=math.sqrt(5), generator=generator)
    return tensor.uniform_(-how.size, how.size, generator=generator)


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
