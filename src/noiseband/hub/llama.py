"""The names of `transformers`' Llama, Mistral, Qwen2 and Qwen3 for our tensors and keys.

The four share the names of their tensors and most keys of config.json. Their linear layers store
weights as ours do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from noiseband.hub.layouts import HEAD, Entry, Names
from noiseband.study.architecture import Model
from noiseband.study.hub_classes import CLASSES, HubClass, hub_class

PREFIX, EMBEDDING = "model.", "model.embed_tokens.weight"
BUFFERS = re.compile(r"model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq")

LAYERS = {
    "att.W_query": "self_attn.q_proj",
    "att.W_key": "self_attn.k_proj",
    "att.W_value": "self_attn.v_proj",
    "att.out_proj": "self_attn.o_proj",
    "ff.gate": "mlp.gate_proj",
    "ff.layers.0": "mlp.up_proj",
    "ff.layers.2": "mlp.down_proj",
}
"""Our linear layers of a block and theirs."""
NORMS = {"norm1": "input_layernorm", "norm2": "post_attention_layernorm"}
QK_NORMS = {"att.q_norm": "self_attn.q_norm", "att.k_norm": "self_attn.k_norm"}
ACTIVATIONS = {"swiglu": "silu", "geglu": "gelu"}
"""Our kinds of feed-forward parts, and the values of `hidden_act`."""
SHAPE = {
    "vocab_size": "vocabulary",
    "max_position_embeddings": "context",
    "hidden_size": "width",
    "num_attention_heads": "heads",
    "num_hidden_layers": "layers",
}
"""Keys of config.json, each with the field of Model that it stands for."""


def names(kind: HubClass) -> Names:
    """The names by which a class of the family goes."""
    return Names(CLASSES[kind], PREFIX, EMBEDDING, BUFFERS)


def entries(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> list[Entry]:
    """Every tensor of their model of this shape, without a tied head.

    Args:
        shapes: our parameters.
    """

    def norm(ours: str, theirs: str, width: int) -> Entry:
        name = f"{ours}.scale"
        return Entry(theirs, (name,) if name in shapes else (), (width,), missing=1.0)

    def same(ours: str, theirs: str) -> Entry:
        return Entry(theirs, (ours,), shapes[ours])

    found = [same("tok_emb.weight", EMBEDDING)]
    for number in range(model.layers):
        ours, theirs = f"trf_blocks.{number}", f"{PREFIX}layers.{number}"
        biased = _biased(model)
        for mine, its in LAYERS.items():
            found.append(same(f"{ours}.{mine}.weight", f"{theirs}.{its}.weight"))
            if its.partition(".")[0] in biased or its.partition(".")[2] in biased:
                bias, fan_out = f"{ours}.{mine}.bias", shapes[f"{ours}.{mine}.weight"][:1]
                owned = (bias,) if bias in shapes else ()
                found.append(Entry(f"{theirs}.{its}.bias", owned, fan_out))
        for mine, its in NORMS.items():
            found.append(norm(f"{ours}.{mine}", f"{theirs}.{its}.weight", model.width))
        for mine, its in QK_NORMS.items() if model.attention.qk_norm else ():
            found.append(norm(f"{ours}.{mine}", f"{theirs}.{its}.weight", model.head_width))
    found.append(norm("final_norm", f"{PREFIX}norm.weight", model.width))
    if not model.tied:
        found.append(same("out_head.weight", HEAD))
    return found


def _biased(model: Model) -> set[str]:
    """Their parts, or linear layers of a part, that have biases."""
    if hub_class(model) == "qwen2":
        return {"q_proj", "k_proj", "v_proj"}
    attention = {"self_attn"} if model.qkv_bias or model.attention.bias else set()
    return attention | ({"mlp"} if model.feed_forward.bias else set())


def config_of(model: Model) -> dict[str, Any]:
    """The config.json of a model of this shape, without token ids."""
    kind = hub_class(model)
    biased, windows = _biased(model), model.windows
    found = {
        "model_type": kind,
        **{key: getattr(model, field) for key, field in SHAPE.items()},
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_width,
        "intermediate_size": model.hidden,
        "hidden_act": ACTIVATIONS[model.feed_forward.kind],
        "rms_norm_eps": model.norm.eps,
        # Older versions read the first key, newer ones the second.
        "rope_theta": model.positions.base,
        "rope_parameters": {"rope_type": "default", "rope_theta": model.positions.base},
        "tie_word_embeddings": model.tied,
    }
    if kind in ("llama", "qwen3"):
        found["attention_bias"] = "self_attn" in biased
    if kind == "llama":
        found["mlp_bias"] = "mlp" in biased
    if kind == "mistral":
        found["sliding_window"] = model.attention.window
    if kind in ("qwen2", "qwen3"):
        found |= {
            "use_sliding_window": any(windows),
            "sliding_window": model.attention.window,
            "layer_types": [f"{'sliding' if window else 'full'}_attention" for window in windows],
        }
    return found


def extras(model: Model) -> dict[str, Any]:
    """Keys of config.json that do not decide what the model computes when it is not trained."""
    return {"attention_dropout": model.dropout}


def shape_of(config: Mapping[str, Any]) -> Model:
    """The model that a config.json describes; ValueError for what our model does not have."""
    kind = config.get("model_type")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ValueError(f"rope_type {rope.get('rope_type')!r}: our positions are the default ones")
    activations = {theirs: ours for ours, theirs in ACTIVATIONS.items()}
    if config.get("hidden_act", "silu") not in activations:
        raise ValueError(f"hidden_act is {config['hidden_act']!r}: our model has no such kind")
    attention = bool(config.get("attention_bias", False))
    shape = {ours: config.get(theirs) for theirs, ours in SHAPE.items()}
    heads = config.get("num_key_value_heads") or shape["heads"]
    return Model.model_validate(
        {
            **shape,
            "dropout": 0.0,
            "qkv_bias": attention or kind == "qwen2",
            "tied": config.get("tie_word_embeddings", False),
            "norm": {"kind": "rms", "eps": config.get("rms_norm_eps", 1e-6)},
            "positions": {
                "kind": "rotary",
                "base": float(rope.get("rope_theta", config.get("rope_theta", 10000.0))),
            },
            "attention": {
                "kv_heads": None if heads == shape["heads"] else heads,
                "head_width": config.get("head_dim"),
                "bias": attention,
                "qk_norm": kind == "qwen3",
                **_windows(config),
            },
            "feed_forward": {
                "kind": activations[config.get("hidden_act", "silu")],
                "hidden": config.get("intermediate_size"),
                "bias": bool(config.get("mlp_bias", False)),
            },
        }
    )


def _windows(config: Mapping[str, Any]) -> dict[str, int]:
    """The windows that a config.json describes, as keys of our attention part."""
    kind, window = config.get("model_type"), config.get("sliding_window")
    if kind == "llama" or window is None:
        return {}
    if kind == "mistral":
        return {"window": window}
    if not config.get("use_sliding_window", False):
        return {}
    layers = config.get("num_hidden_layers", 0)
    kinds = config.get("layer_types")
    if kinds is None:
        raise ValueError("it has windows without layer_types: save it with a newer transformers")
    full = [number for number, name in enumerate(kinds, 1) if name == "full_attention"]
    if len(full) == layers:
        return {}
    if not full:
        return {"window": window}
    if full != list(range(full[0], layers + 1, full[0])):
        raise ValueError(f"layer_types: full layers {full} are not every n-th one")
    return {"window": window, "full_every": full[0]}
