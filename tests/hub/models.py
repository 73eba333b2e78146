"""GPT2LMHeadModels with random weights, made by `transformers` itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from noiseband.study.architecture import Model

SMALL = Model(
    vocabulary=257, context=24, width=16, heads=4, layers=2, qkv_bias=True, tied=True, dropout=0.0
)


def random_gpt2(model: Model, seed: int = 1, **options: Any) -> Any:
    """A model of this shape in which no tensor is all zeros, all ones or a copy of another."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=model.vocabulary,
        n_positions=model.context,
        n_embd=model.width,
        n_head=model.heads,
        n_layer=model.layers,
        tie_word_embeddings=model.tied,
        bos_token_id=model.vocabulary - 1,
        eos_token_id=model.vocabulary - 1,
        **options,
    )
    made = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return made


def saved_gpt2(folder: Path, model: Model, seed: int = 1, **options: Any) -> Any:
    """The same model, saved in `folder` by `save_pretrained`."""
    made = random_gpt2(model, seed, **options)
    made.save_pretrained(folder)
    return made
