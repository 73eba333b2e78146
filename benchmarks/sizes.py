"""Sizes of models that several benchmarks share, as changes to a recipe."""

from __future__ import annotations

GPT2_SMALL = {
    "model.vocabulary": 50257,
    "model.context": 1024,
    "model.width": 768,
    "model.heads": 12,
    "model.layers": 12,
    "model.tied": False,
    "model.qkv_bias": False,
}
TINY = {
    "model.vocabulary": 512,
    "model.context": 64,
    "model.width": 64,
    "model.heads": 4,
    "model.layers": 2,
}
