"""Recipes with most parts of a modern model."""

from __future__ import annotations

from typing import Any

MODERN: dict[str, Any] = {
    "model.tied": True,
    "model.norm": {"kind": "rms", "embedding": True},
    "model.positions": {"kind": "rotary", "share": 0.5},
    "model.attention": {
        "kv_heads": 1, "qk_norm": True, "bias": False, "window": 5, "documents": True,
    },
    "model.feed_forward": {"kind": "swiglu", "bias": False},
    "model.embedding_scale": 4.0,
    "model.logit_softcap": 15.0,
    "loss.z_loss": 1e-4,
}  # fmt: skip
CAPPED: dict[str, Any] = {
    **MODERN,
    "attention": "explicit",
    "model.attention": {"softcap": 20.0},
    "model.norm": {"place": "post"},
}
"""What fused attention does not have, too."""
