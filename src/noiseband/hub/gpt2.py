"""Convert between the names of `transformers`' GPT2LMHeadModel ("theirs") and the reference's.

One table for tensors and one for config.json serve both directions. Their linear layers store
weights as (in, out), ours as (out, in); their `c_attn` concatenates query, key and value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.model.gpt import parameter_shapes
from noiseband.study.recipe import Model, beyond_gpt2

PREFIX, HEAD, EMBEDDING = "transformer.", "lm_head.weight", "transformer.wte.weight"

LAYERS = {
    "norm1": "ln_1",
    "att.out_proj": "attn.c_proj",
    "norm2": "ln_2",
    "ff.layers.0": "mlp.c_fc",
    "ff.layers.2": "mlp.c_proj",
}
"""Our modules of a block and theirs, except query, key and value."""
BUFFERS = re.compile(r"transformer\.h\.\d+\.attn\.(bias|masked_bias)")
"""The causal mask, which old files store as if it were a parameter."""

FIELDS = {
    "vocab_size": "vocabulary",
    "n_positions": "context",
    "n_embd": "width",
    "n_head": "heads",
    "n_layer": "layers",
    "tie_word_embeddings": "tied",
}
"""Keys of config.json, each with the field of Model that it stands for."""
FIXED = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "n_inner": None,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
"""Keys of config.json for which our model supports one value only."""
DEFAULTS = {**FIXED, "tie_word_embeddings": True}
"""The values that transformers uses for missing keys."""

Names = tuple[str, tuple[str, ...]]
"""The name of one of their tensors, and the names of our tensors that it consists of."""


@dataclass(frozen=True)
class Entry:
    """One of their tensors."""

    theirs: str
    ours: tuple[str, ...]
    """One name; the names of query, key and value; or none for biases that our model lacks."""
    shape: tuple[int, ...]
    """The shape of their tensor."""
    turned: bool
    """Whether their tensor is ours transposed."""


def table(model: Model) -> list[Entry]:
    """Every tensor of a GPT2LMHeadModel of this shape, without a tied head.

    Raises UserError if no GPT2LMHeadModel computes what the model computes.
    """
    if odd := beyond_gpt2(model):
        raise UserError(
            f"{odd}: no GPT2LMHeadModel computes this, so the model cannot be exported; evaluate "
            "it by `loss` or `choice`, which need no export"
        )
    shapes = parameter_shapes(model)
    names: list[Names] = [
        (EMBEDDING, ("tok_emb.weight",)),
        (f"{PREFIX}wpe.weight", ("pos_emb.weight",)),
    ]
    for layer in range(model.layers):
        ours, theirs = f"trf_blocks.{layer}", f"{PREFIX}h.{layer}"
        projections = [f"{ours}.att.W_{kind}" for kind in ("query", "key", "value")]
        names.append((f"{theirs}.attn.c_attn.weight", tuple(f"{p}.weight" for p in projections)))
        biases = tuple(f"{p}.bias" for p in projections) if model.qkv_bias else ()
        names.append((f"{theirs}.attn.c_attn.bias", biases))
        for mine, its in LAYERS.items():
            names += _pair(f"{ours}.{mine}", f"{theirs}.{its}")
    names += _pair("final_norm", f"{PREFIX}ln_f")
    if not model.tied:
        names.append((HEAD, ("out_head.weight",)))
    return [_entry(theirs, ours, shapes, model.width) for theirs, ours in names]


def _pair(ours: str, theirs: str) -> list[Names]:
    """The weight and the bias of a layer; our norms call them scale and shift."""
    mine = ("scale", "shift") if "norm" in ours else ("weight", "bias")
    return [
        (f"{theirs}.{its}", (f"{ours}.{own}",))
        for own, its in zip(mine, ("weight", "bias"), strict=True)
    ]


def _entry(
    theirs: str, ours: tuple[str, ...], shapes: Mapping[str, tuple[int, ...]], width: int
) -> Entry:
    turned = re.search(r"\.c_\w+\.weight$", theirs) is not None
    if not ours:
        return Entry(theirs, ours, (3 * width,), turned)
    shape = (sum(shapes[name][0] for name in ours), *shapes[ours[0]][1:])
    return Entry(theirs, ours, shape[::-1] if turned else shape, turned)


def to_gpt2(weights: Mapping[str, Tensor], model: Model) -> dict[str, Tensor]:
    """Convert our parameters to GPT2LMHeadModel's; a tied head is left out."""
    found = {}
    for entry in table(model):
        if not entry.ours:
            found[entry.theirs] = torch.zeros(entry.shape)
            continue
        joined = torch.cat([weights[name] for name in entry.ours])
        found[entry.theirs] = (joined.T if entry.turned else joined).contiguous()
    return found


def from_gpt2(tensors: Mapping[str, Tensor], model: Model, source: str) -> dict[str, Tensor]:
    """Convert GPT2LMHeadModel's tensors to our parameters: float32, each in its own memory.

    Names may have the prefix `transformer.` or not, and buffers are ignored. Raises UserError,
    whose text begins with `source`, for tensors that are missing, unknown or of another shape.
    """
    theirs = {_full(name): tensor for name, tensor in tensors.items()}
    theirs = {name: tensor for name, tensor in theirs.items() if not BUFFERS.fullmatch(name)}
    entries = table(model)
    if model.tied and (head := theirs.pop(HEAD, None)) is not None:
        _must(torch.equal(head, theirs.get(EMBEDDING, head[:0])), source, [HEAD], "is not tied")
    names = {entry.theirs for entry in entries}
    _must(names <= theirs.keys(), source, sorted(names - theirs.keys()), "is missing")
    _must(theirs.keys() <= names, source, sorted(theirs.keys() - names), "is unknown")
    parameters: dict[str, Tensor] = {}
    for entry in entries:
        value = theirs[entry.theirs]
        said = f"is {tuple(value.shape)} {value.dtype}, should be {entry.shape} of floats"
        fits = tuple(value.shape) == entry.shape and value.dtype.is_floating_point
        _must(fits, source, [entry.theirs], said)
        if not entry.ours:
            _must(not value.any(), source, [entry.theirs], "is not zero; set qkv_bias: true")
            continue
        joined = (value.T if entry.turned else value).to(torch.float32)
        parts = joined.chunk(len(entry.ours))
        parameters |= {
            name: part.clone(memory_format=torch.contiguous_format)
            for name, part in zip(entry.ours, parts, strict=True)
        }
    return parameters


def _full(name: str) -> str:
    return name if name.startswith(("lm_head.", PREFIX)) else PREFIX + name


def _must(holds: bool, source: str, names: Sequence[str], what: str) -> None:
    if not holds:
        more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
        raise UserError(
            f"{source}: not the GPT2LMHeadModel that the study describes: {names[0]} {what}{more}"
        )


def config_of(model: Model) -> dict[str, Any]:
    """The config.json of a model of this shape, without token ids."""
    return {**FIXED, **{key: getattr(model, field) for key, field in FIELDS.items()}}


def check_config(config: Mapping[str, Any], model: Model, source: str) -> None:
    """Raise UserError if a config.json does not describe our model with this shape."""
    for key, wanted in config_of(model).items():
        found = config.get(key, DEFAULTS.get(key))
        if key == "n_inner" and found == 4 * model.width:
            continue
        if found != wanted:
            remedy = "our model supports no other value"
            if key in FIELDS:
                remedy = f"the study has model.{FIELDS[key]}: {_text(wanted)}; write {_text(found)}"
            raise UserError(f"{source}: {key} is {_text(found)}, not {_text(wanted)}: {remedy}")


def _text(value: Any) -> str:
    """The value as it is written in JSON and YAML."""
    return json.dumps(value)
