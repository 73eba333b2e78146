"""The next token from logits: the likeliest, or a draw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen; temperature first, then `top_k`, then `top_p`."""

    temperature: float = 0.0
    """Divides the logits; 0 takes the likeliest token."""
    top_k: int | None = None
    """Draw from the k likeliest only."""
    top_p: float | None = None
    """Draw from the fewest likeliest whose probabilities add up to at least this much."""


GREEDY = Sampling()


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """A token drawn from the softmax of logits, (vocabulary,) float32 on the CPU.

    Ties with the last token that `top_k` or `top_p` lets in stay in too: which of them is the last
    is arbitrary. Logits that are not finite give the first of the largest, as greedy would.
    """
    highest = logits.max()
    if not highest.isfinite():
        return int(logits.argmax())
    if sampling.top_k is not None and sampling.top_k < len(logits):
        logits = logits.masked_fill(logits < logits.topk(sampling.top_k).values[-1], -torch.inf)
    # Less the highest, so that no temperature is too small.
    probabilities = torch.softmax((logits - highest) / sampling.temperature, dim=0)
    if sampling.top_p is not None:
        ranked = probabilities.sort(descending=True).values
        before = ranked.cumsum(0) - ranked
        least = ranked[before < sampling.top_p][-1]
        probabilities = probabilities.masked_fill(probabilities < least, 0.0)
    return int(torch.multinomial(probabilities, 1, generator=generator))
