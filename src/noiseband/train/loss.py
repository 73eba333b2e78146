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
        x_grad, weight_grad = torch.empty_like(x), torch.empty_like(weight)
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
                # The first block's beta of 0 ignores what lies in the memory.
                weight_grad.addmm_(scores.T, inputs * factor, beta=float(begin > 0))
            else:
                gradient = scores.mul_(factor).to(dtype)
                torch.mm(gradient, head, out=x_grad[part])
                product = gradient.T @ inputs
                weight_grad = weight_grad.add_(product) if begin else product.to(weight.dtype)
        ctx.save_for_backward(x_grad, weight_grad)
        return losses.mean() * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x_grad, weight_grad = ctx.saved_tensors
        x_grad = x_grad.to(ctx.type)
        # A GPU must not wait to learn the factor; a CPU need not pass over a vocabulary by 1.
        if grads[0].is_cuda or grads[0].item() != 1.0:
            # In place, because backward runs once for each forward.
            x_grad.mul_(grads[0])
            weight_grad.mul_(grads[0])
        return x_grad, weight_grad, None, None, None


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
