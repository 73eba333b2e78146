"""Read weights that are published under the reference's own names."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.model.gpt import parameter_shapes
from noiseband.study.architecture import Model

EMBEDDING, POSITIONS, HEAD = "tok_emb.weight", "pos_emb.weight", "out_head.weight"
BUFFER = re.compile(r"trf_blocks\.\d+\.att\.mask")
"""The causal mask, which a file may store as if it were a parameter."""


def from_reference(tensors: Mapping[str, Tensor], model: Model, source: str) -> dict[str, Tensor]:
    """The parameters, float32, each in its own memory.

    A prefix that all names share (`model.`) is removed, masks are ignored, and a tied head may
    have either name or both. Raises UserError, whose text begins with `source`, for tensors that
    are missing, unknown or of another shape.
    """
    found = _named(tensors)
    if model.tied and HEAD in found:
        head = found.pop(HEAD)
        if not torch.equal(found.setdefault(EMBEDDING, head), head):
            raise UserError(f"{source}: {HEAD} is not tied; write `tied: false`")
    shapes = parameter_shapes(model)
    for name in sorted(shapes.keys() ^ found.keys()):
        what = "is missing" if name in shapes else "is unknown"
        raise UserError(f"{source}: not the model that the study describes: {name} {what}")
    for name, shape in shapes.items():
        value = found[name]
        if tuple(value.shape) != shape or not value.dtype.is_floating_point:
            raise UserError(
                f"{source}: not the model that the study describes: {name} is "
                f"{tuple(value.shape)} {value.dtype}, should be {shape} of floats"
            )
    return {
        name: found[name].to(torch.float32).clone(memory_format=torch.contiguous_format)
        for name in shapes
    }


def shape_of(tensors: Mapping[str, Tensor], heads: int, source: str) -> Model:
    """The model's shape, read from weights with the reference's names; only `heads` is given.

    Raises UserError if the weights have other names.
    """
    found = _named(tensors)
    embedding = found.get(EMBEDDING, found.get(HEAD))
    layers = {int(m[1]) for name in found if (m := re.match(r"trf_blocks\.(\d+)\.", name))}
    if embedding is None or POSITIONS not in found or not layers or embedding.dim() != 2:
        raise UserError(
            f"{source}: neither a model of transformers that noiseband reads nor weights with the "
            f"reference's names ({EMBEDDING}, trf_blocks.0.att.W_query.weight, ...)"
        )
    vocabulary, width = embedding.shape
    if width % heads:
        raise UserError(
            f"--heads {heads}: does not divide the width {width}; give the model's number"
        )
    head = found.get(HEAD, embedding)
    tied = EMBEDDING not in found or torch.equal(head, embedding)
    return Model(
        vocabulary=vocabulary,
        context=len(found[POSITIONS]),
        width=width,
        heads=heads,
        layers=max(layers) + 1,
        dropout=0.0,
        qkv_bias="trf_blocks.0.att.W_query.bias" in found,
        tied=tied,
    )


def _named(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by the reference's names, without a common prefix and without masks."""
    prefix = next((n.removesuffix(POSITIONS) for n in tensors if n.endswith(POSITIONS)), "")
    named = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return {name: tensor for name, tensor in named.items() if not BUFFER.fullmatch(name)}
