"""The log-likelihood of continuations, several in a forward pass.

The bits of one do not depend on the others in its batch, for the reasons and by the means of
`model.generate`: every operation's shape follows from the number of rows and from the continuation
itself, all rows have the same alignment, and the rows that are missing in a batch are filled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from noiseband.evaluate.questions import Continuation
from noiseband.model.generate import BLOCK, alike
from noiseband.model.gpt import GPT, capped


@dataclass(frozen=True)
class Scored:
    """What a model says to a continuation."""

    nats: float
    """Minus its log-likelihood; not finite if the model diverged."""
    greedy: bool
    """Whether each of its tokens is the likeliest one."""


@torch.inference_mode()
def scores(
    model: GPT, continuations: Sequence[Continuation], rows: int
) -> Iterator[list[tuple[int, Scored]]]:
    """Yield, batch by batch, the place of each continuation and its score.

    Args:
        model: in eval mode.
        continuations: each with at least one token, and at most as many as the model's context.
        rows: continuations in a batch, a multiple of `model.generate.ROWS`.
    """
    if not alike(model.config):
        rows = 1
    context = model.config.context
    windows = [one.window(context) for one in continuations]
    by_length: dict[int, list[int]] = {}
    for place, window in enumerate(windows):
        by_length.setdefault(-(-len(window) // BLOCK) * BLOCK, []).append(place)
    for padded, places in sorted(by_length.items()):
        for begin in range(0, len(places), rows):
            some = places[begin : begin + rows]
            hidden = _hidden(model, [windows[place] for place in some], rows, padded)
            lengths = [len(windows[place]) for place in some]
            tokens = [continuations[place].tokens for place in some]
            found = map(partial(_score, model), hidden, lengths, tokens)
            yield list(zip(some, found, strict=False))  # without the rows that fill the batch


def _hidden(model: GPT, windows: Sequence[list[int]], rows: int, padded: int) -> Tensor:
    """What the head projects, (rows, padded, width). Padding is on the right, where no token of a
    window looks."""
    device = model.tok_emb.weight.device
    filled = [window + [0] * (padded - len(window)) for window in windows]
    filled += [[0] * padded] * (rows - len(windows))
    # Padding beyond the context has no position of its own, so any position serves.
    positions = torch.arange(padded, device=device).clamp(max=model.config.context - 1)[None]
    causal = torch.full((padded, padded), -math.inf, device=device).triu(1)
    past = model.no_past(rows, padded)
    return model.extend(past, torch.tensor(filled, device=device), positions, causal[None, None])


def _score(model: GPT, hidden: Tensor, length: int, tokens: list[int]) -> Scored:
    """The score of the last tokens of one row, whose window has `length` tokens."""
    # Copied, so that its alignment does not follow from its place in the batch.
    last = hidden[length - len(tokens) : length].clone()
    logits = capped(torch.mm(last, model.head.T), model.config.logit_softcap)
    wanted = torch.tensor(tokens, device=logits.device)
    likelihoods = torch.log_softmax(logits.double(), dim=-1).gather(1, wanted[:, None])
    return Scored(-float(likelihoods.sum()), bool((logits.argmax(dim=-1) == wanted).all()))
