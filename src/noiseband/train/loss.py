"""Mean cross-entropy with its gradient made in the forward pass.

The logits of one microbatch are by far the largest activation. PyTorch's cross_entropy reads and
writes arrays of that size eight times, forward and backward; this does so three times, in place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        # Under autocast the logits are 16-bit: float() copies. In float32 the probabilities
        # overwrite the logits, which nothing else has saved (a linear layer keeps its input).
        scores = logits.detach().float()
        rows = torch.arange(len(targets), device=targets.device)
        of_target = scores[rows, targets]
        largest = scores.amax(dim=1)
        probabilities = torch.softmax(scores, dim=1, out=scores)
        # log-sum-exp = largest score - log of its probability, which is at least 1 / vocabulary.
        losses = largest - probabilities.amax(dim=1).log() - of_target
        ctx.save_for_backward(probabilities, targets)
        ctx.dtype = logits.dtype
        return losses.mean()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        probabilities, targets = ctx.saved_tensors
        rows = torch.arange(len(targets), device=targets.device)
        # Not in place twice over: backward runs once for each forward, so the buffer may go.
        probabilities[rows, targets] -= 1.0
        return probabilities.mul_(grads[0] / len(targets)).to(ctx.dtype), None


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean of -log softmax(logits)[target], in nats.

    Args:
        logits: (n, vocabulary), float32 or 16-bit; float32 logits are overwritten.
        targets: (n,) int64.

    Returns:
        A float32 scalar whose backward pass may run once.
    """
    loss: Tensor = _CrossEntropy.apply(logits, targets)  # type: ignore[no-untyped-call]
    return loss
