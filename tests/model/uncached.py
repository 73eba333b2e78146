"""Generation by its definition: one text, with a pass over the whole window for each token."""

from __future__ import annotations

import torch

from noiseband.model.gpt import GPT
from noiseband.model.sampling import GREEDY, Sampling, draw


@torch.no_grad()
def uncached(
    model: GPT,
    prompt: list[int],
    new_tokens: int,
    sampling: Sampling = GREEDY,
    seed: int = 0,
    stop: int | None = None,
) -> list[int]:
    """The tokens that `generate` should return for the prompt; the model is in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    tokens = list(prompt)
    for _ in range(new_tokens):
        logits = model(torch.tensor([tokens[-model.config.context :]]))[0, -1]
        greedy = sampling.temperature == 0
        token = int(logits.argmax()) if greedy else draw(logits, sampling, generator)
        if token == stop:
            break
        tokens.append(token)
    return tokens[len(prompt) :]
