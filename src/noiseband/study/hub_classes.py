"""Which class of `transformers` computes a model, and what none computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from noiseband.study.architecture import Model
from noiseband.study.plugins import is_idea
from noiseband.study.section import flatten, written

HubClass = Literal["gpt2", "llama", "mistral", "qwen2", "qwen3"]
CLASSES: Mapping[HubClass, str] = {
    "gpt2": "GPT2LMHeadModel",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
"""The value of `model_type` in config.json, and the name of the class, first those to prefer."""


def hub_class(model: Model) -> HubClass | None:
    """The first class that computes what the model computes; None if there is none.

    A parameter that only the class has does not matter: a missing bias is zero, a missing scale of
    a norm is one, and so on.
    """
    return next((name for name in CLASSES if not _odd(model, name)), None)


def beyond_hub(model: Model) -> str | None:
    """The first key and value that keep the most similar class from computing the model, such as
    `model.logit_softcap: 30.0`; None if there is a class that computes it."""
    odd = min((_odd(model, name) for name in CLASSES), key=len)
    if not odd:
        return None
    values = flatten(model.whole())
    return f"model.{odd[0]}: {written(values[odd[0]])}"


def _odd(model: Model, name: HubClass) -> list[str]:
    """The keys whose values the class does not have."""
    part, own = model.attention, model.feed_forward
    # Told without a list of layers, as a config may have any number of them.
    limited, every = part.window is not None and part.window < model.context, part.full_every
    some = limited and every != 1
    all_ = limited and (every is None or every > model.layers)
    fits: dict[str, Any] = {
        f"{key}.kind": not is_idea(kind)
        for key, kind in {
            "feed_forward": own.kind,
            "norm": model.norm.kind,
            "positions": model.positions.kind,
            "attention": part.kind,
        }.items()
    }
    fits |= {
        "norm.place": model.norm.place == "pre",
        "norm.embedding": not model.norm.embedding,
        "attention.softcap": part.softcap is None,
        "attention.documents": not part.documents,
        "embedding_scale": model.embedding_scale == 1.0,
        "logit_softcap": model.logit_softcap is None,
    }
    if name == "gpt2":
        fits |= {
            "norm.kind": fits["norm.kind"] and (model.norm.kind == "layer"),
            "positions.kind": fits["positions.kind"] and (model.positions.kind != "rotary"),
            "attention.kv_heads": model.kv_heads == model.heads,
            "attention.head_width": model.heads * model.head_width == model.width,
            "attention.qk_norm": not part.qk_norm,
            "attention.window": not some,
            "feed_forward.kind": fits["feed_forward.kind"] and (not own.gated),
        }
        return [key for key, holds in fits.items() if not holds]
    fits |= {
        "norm.kind": fits["norm.kind"] and (model.norm.kind == "rms"),
        "positions.kind": fits["positions.kind"] and (model.positions.kind == "rotary"),
        "positions.share": model.rotated == model.head_width,
        "feed_forward.kind": fits["feed_forward.kind"] and own.gated,
        "attention.qk_norm": part.qk_norm == (name == "qwen3"),
        "feed_forward.bias": not own.bias or name == "llama",
        "attention.bias": not part.bias or name in ("llama", "qwen3"),
        "qkv_bias": not model.qkv_bias or name != "mistral",
        "attention.window": not some or name != "llama",
        "attention.full_every": all_ or name != "mistral",
    }
    return [key for key, holds in fits.items() if not holds]
