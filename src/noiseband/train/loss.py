"""The output head and its cross-entropy as one operation, some rows at a time.

The logits of a microbatch are by far the largest activation: PyTorch's head and loss keep arrays
of that size and pass over them a dozen times. Here the gradient is made on the way forward, block
by block, so that a block stays in the cache of a CPU and a GPU never holds all logits at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BLOCK_ROWS = {"cpu": 64, "cuda": 4096}
"""Rows of logits at a time: enough for a matrix product at full speed, and no more."""


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, scale: float
    ) -> Tensor:
        ctx.type = x.dtype
        x, head = x.to(dtype), weight.to(dtype)
        block = min(len(x), BLOCK_ROWS[x.device.type])
        logits = x.new_empty(block, len(head))
        losses = torch.empty_like(targets, dtype=torch.float32)
        x_grad, weight_grad = torch.empty_like(x), torch.zeros_like(weight)
        for begin in range(0, len(x), block):
            part = slice(begin, begin + block)
            inputs, of = x[part], targets[part, None]
            scores = torch.mm(inputs, head.T, out=logits[: len(inputs)]).float()
            # Shifted by the row's largest, so that the exponential cannot overflow.
            scores.sub_(scores.amax(dim=1, keepdim=True))
            of_target = scores.gather(1, of)
            total = scores.exp_().sum(dim=1, keepdim=True)
            torch.sub(total.log(), of_target, out=losses[part, None])
            # Gradient of the logits: softmax less one at the target, times scale / n. In float32
            # the factor of a row waits for a smaller matrix; 16 bits could not hold it.
            scores.scatter_add_(1, of, -total)
            factor = scale / len(x) / total
            if dtype is torch.float32:
                torch.mm(scores, head, out=x_grad[part]).mul_(factor)
                weight_grad.addmm_(scores.T, inputs * factor)
            else:
                gradient = scores.mul_(factor).to(dtype)
                torch.mm(gradient, head, out=x_grad[part])
                weight_grad.add_(gradient.T @ inputs)
        ctx.save_for_backward(x_grad, weight_grad)
        return losses.mean() * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x_grad, weight_grad = ctx.saved_tensors
        # In place, because backward runs once for each forward.
        return x_grad.to(ctx.type).mul_(grads[0]), weight_grad.mul_(grads[0]), None, None, None


def head_loss(
    x: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, scale: float = 1.0
) -> Tensor:
    """`scale` times the mean of -log softmax(x @ weight.T)[target], in nats.

    Args:
        x: (n, width).
        weight: (vocabulary, width).
        targets: (n,) int64.
        dtype: type in which the products are computed; the loss is computed in float32.
        scale: loss scale; given here because the gradient is made in the forward pass.

    Returns:
        A float32 scalar whose backward pass may run once.
    """
    loss: Tensor = _HeadLoss.apply(x, weight, targets, dtype, scale)  # type: ignore[no-untyped-call]
    return loss
