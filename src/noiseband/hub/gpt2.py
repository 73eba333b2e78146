"""The names of `transformers`' GPT2LMHeadModel ("theirs") for our tensors and keys.

Their linear layers store weights as (in, out), ours as (out, in); their `c_attn` concatenates
query, key and value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from noiseband.errors import UserError
from noiseband.hub.layouts import HEAD, Entry, Names
from noiseband.study.architecture import FeedForward, Model, Norm

PREFIX, EMBEDDING = "transformer.", "transformer.wte.weight"
NAMES = Names(
    "GPT2LMHeadModel",
    PREFIX,
    EMBEDDING,
    # The causal mask.
    re.compile(r"transformer\.h\.\d+\.attn\.(bias|masked_bias)"),
)

LAYERS = {
    "norm1": "ln_1",
    "att.out_proj": "attn.c_proj",
    "norm2": "ln_2",
    "ff.layers.0": "mlp.c_fc",
    "ff.layers.2": "mlp.c_proj",
}
"""Our modules of a block and theirs, except query, key and value."""

FIELDS = {
    "vocab_size": "vocabulary",
    "n_positions": "context",
    "n_embd": "width",
    "n_head": "heads",
    "n_layer": "layers",
    "tie_word_embeddings": "tied",
}
"""Keys of config.json, each with the field of Model that it stands for."""
ACTIVATIONS = {"gelu-tanh": "gelu_new", "gelu": "gelu", "relu2": "relu2"}
"""Our kinds of feed-forward parts, and the values of `activation_function`."""
PARTS = {
    "activation_function": "feed_forward.kind",
    "layer_norm_epsilon": "norm.eps",
    "n_inner": "feed_forward.hidden",
}
"""Keys of config.json that a part of our model decides."""
FIXED = {
    "model_type": "gpt2",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
"""Keys of config.json for which our model supports one value only."""
DEFAULTS = {
    **FIXED,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "n_inner": None,
    "tie_word_embeddings": True,
}
"""The values that transformers uses for missing keys."""


def entries(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> list[Entry]:
    """Every tensor of a GPT2LMHeadModel of this shape, without a tied head.

    Args:
        shapes: our parameters.
    """

    def entry(theirs: str, ours: tuple[str, ...], lacks: tuple[int, ...], fill: float) -> Entry:
        turned = re.search(r"\.c_\w+\.weight$", theirs) is not None
        if not shapes.keys() >= set(ours):
            return Entry(theirs, (), lacks, turned, fill)
        shape = (sum(shapes[name][0] for name in ours), *shapes[ours[0]][1:])
        return Entry(theirs, ours, shape[::-1] if turned else shape, turned)

    def layer(ours: str, theirs: str, fan_out: int) -> list[Entry]:
        """The weight and the bias; our norms call them scale and shift."""
        weight, bias = ("scale", "shift") if "norm" in ours else ("weight", "bias")
        return [
            entry(f"{theirs}.weight", (f"{ours}.{weight}",), (fan_out,), 1.0),
            entry(f"{theirs}.bias", (f"{ours}.{bias}",), (fan_out,), 0.0),
        ]

    width = model.width
    found = [
        entry(EMBEDDING, ("tok_emb.weight",), (), 0.0),
        entry(f"{PREFIX}wpe.weight", ("pos_emb.weight",), (model.context, width), 0.0),
    ]
    for number in range(model.layers):
        ours, theirs = f"trf_blocks.{number}", f"{PREFIX}h.{number}"
        for kind in ("weight", "bias"):
            parts = [f"{ours}.att.W_{part}.{kind}" for part in ("query", "key", "value")]
            found.append(entry(f"{theirs}.attn.c_attn.{kind}", tuple(parts), (3 * width,), 0.0))
        for mine, its in LAYERS.items():
            fan_out = model.hidden if mine == "ff.layers.0" else width
            found += layer(f"{ours}.{mine}", f"{theirs}.{its}", fan_out)
    found += layer("final_norm", f"{PREFIX}ln_f", width)
    if not model.tied:
        found.append(entry(HEAD, ("out_head.weight",), (), 0.0))
    return found


def config_of(model: Model) -> dict[str, Any]:
    """The config.json of a model of this shape, without token ids."""
    return {
        "model_type": "gpt2",
        "activation_function": ACTIVATIONS[model.feed_forward.kind],
        "layer_norm_epsilon": model.norm.eps,
        "n_inner": None if model.hidden == 4 * model.width else model.hidden,
        **FIXED,
        **{key: getattr(model, field) for key, field in FIELDS.items()},
    }


def extras(model: Model) -> dict[str, Any]:
    """Keys of config.json that do not decide what the model computes when it is not trained."""
    # llama.cpp's converter reads n_ctx, the old name of n_positions.
    dropout = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), model.dropout)
    return {"n_ctx": model.context, **dropout}


def shape_of(config: Mapping[str, Any]) -> Model:
    """The model that a config.json describes. A GPT2LMHeadModel always has biases.

    Raises ValueError for values that our model does not have.
    """
    values = {ours: config.get(theirs, DEFAULTS.get(theirs)) for theirs, ours in FIELDS.items()}
    asked = config.get("activation_function", DEFAULTS["activation_function"])
    kinds = {theirs: ours for ours, theirs in ACTIVATIONS.items()}
    kinds["gelu_pytorch_tanh"] = "gelu-tanh"
    if asked not in kinds:
        raise ValueError(f"activation_function is {json.dumps(asked)}: our model has no such kind")
    inner = config.get("n_inner")
    hidden = None if inner is None or inner == 4 * config.get("n_embd", 0) else inner
    part = FeedForward.model_validate({"kind": kinds[asked], "hidden": hidden})
    norm = Norm(eps=config.get("layer_norm_epsilon", DEFAULTS["layer_norm_epsilon"]))
    return Model(**values, qkv_bias=True, dropout=0.0, feed_forward=part, norm=norm)


def check_config(config: Mapping[str, Any], model: Model, source: str) -> None:
    """Raise UserError if a config.json does not describe our model with this shape."""
    for key, wanted in config_of(model).items():
        found = config.get(key, DEFAULTS.get(key))
        if key == "n_inner" and found in (None, 4 * model.width) and wanted is None:
            continue
        if found != wanted:
            remedy = "our model supports no other value"
            if key in FIELDS:
                remedy = (
                    f"the study has model.{FIELDS[key]}: {json.dumps(wanted)}; write "
                    f"{json.dumps(found)}"
                )
            elif key in PARTS:
                remedy = f"change model.{PARTS[key]} of the study"
            raise UserError(
                f"{source}: {key} is {json.dumps(found)}, not {json.dumps(wanted)}: {remedy}"
            )
