"""Choose the next token from logits: the likeliest token or a random one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen: temperature is applied first, then `top_k`, then `top_p`."""

    temperature: float = 0.0
    """The logits are divided by this; 0 chooses the likeliest token."""
    top_k: int | None = None
    """Draw only from the k likeliest tokens."""
    top_p: float | None = None
    """Draw from the smallest set of likeliest tokens with at least this total probability."""


GREEDY = Sampling()


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Draw a token from the softmax of `logits`, a float32 tensor (vocabulary,) on the CPU.

    Tokens as likely as the last one that `top_k` or `top_p` keeps are also kept, because the order
    of ties is arbitrary. If the largest logit is not finite, the first token that has it is
    returned, as in greedy sampling.
    """
    highest = logits.max()
    if not highest.isfinite():
        return int(logits.argmax())
    if sampling.top_k is not None and sampling.top_k < len(logits):
        logits = logits.masked_fill(logits < logits.topk(sampling.top_k).values[-1], -torch.inf)
    # The highest logit is subtracted, so that a small temperature causes no overflow.
    probabilities = torch.softmax((logits - highest) / sampling.temperature, dim=0)
    if sampling.top_p is not None:
        ranked = probabilities.sort(descending=True).values
        before = ranked.cumsum(0) - ranked
        least = ranked[before < sampling.top_p][-1]
        probabilities = probabilities.masked_fill(probabilities < least, 0.0)
    return int(torch.multinomial(probabilities, 1, generator=generator))
