"""Text from a model, token by token."""

from __future__ import annotations

import torch
from torch import Tensor

from noiseband.model.gpt import GPT


@torch.no_grad()
def generate(
    model: GPT,
    prompt: list[int],
    new_tokens: int,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    stop: int | None = None,
    seed: int = 0,
) -> list[int]:
    """Up to `new_tokens` token ids that follow the prompt; without `stop`, exactly as many.

    Beyond the context limit the model sees the last `context` tokens. Draws come from a CPU
    generator of their own, seeded by `seed`, so that training is not disturbed.

    Args:
        temperature: 0 takes the likeliest token.
        top_k: draw from the k likeliest only.
        stop: token that ends the text (it is not returned).
    """
    device = model.tok_emb.weight.device
    generator = torch.Generator().manual_seed(seed)
    training = model.training
    model.eval()
    tokens = list(prompt)
    for _ in range(new_tokens):
        window = torch.tensor([tokens[-model.config.context :]], device=device)
        logits = model(window)[0, -1].float().cpu()
        token = _choose(logits, temperature, top_k, generator)
        if token == stop:
            break
        tokens.append(token)
    model.train(training)
    return tokens[len(prompt) :]


def _choose(
    logits: Tensor, temperature: float, top_k: int | None, generator: torch.Generator
) -> int:
    if temperature == 0:
        return int(logits.argmax())
    if top_k is not None and top_k < len(logits):
        # Ties with the k-th likeliest stay in: which of them is k-th is arbitrary.
        logits = logits.masked_fill(logits < logits.topk(top_k).values[-1], -torch.inf)
    probabilities = torch.softmax(logits / temperature, dim=0)
    return int(torch.multinomial(probabilities, 1, generator=generator))
