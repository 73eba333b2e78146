"""The output head and its cross-entropy as one operation, some rows at a time.

The logits of a microbatch are by far the largest activation: PyTorch's head and loss keep arrays
of that size and pass over them a dozen times. Here the gradient is made on the way forward, block
by block, so that a block stays in the cache of a CPU and a GPU never holds all logits at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_ROWS = {"cpu": 64, "cuda": 4096}
"""Rows of logits at a time: enough for a matrix product at full speed, and no more."""

ALIGNED = 128
"""To a multiple of so many rows a GPU's head is padded. A vocabulary is often odd (GPT-2's is
50,257), and a product with such a side runs at a sixth of the speed of its neighbour's."""


class Gradients(NamedTuple):
    """What one pass over the rows gives."""

    losses: Tensor
    """-log softmax[target] of each row, (n,) float32."""
    x: Tensor
    """Gradient of `scale` times the mean, over x."""
    weight: Tensor
    """The same over the weight, (vocabulary, width), float32 where its own type was."""


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, scale: float
    ) -> Tensor:
        ctx.type = x.dtype
        by_device = padded_gradients if x.is_cuda else cached_gradients
        found = by_device(x.to(dtype), weight, targets, scale)
        ctx.save_for_backward(found.x, found.weight)
        return found.losses.mean() * scale

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


def cached_gradients(x: Tensor, weight: Tensor, targets: Tensor, scale: float) -> Gradients:
    """By PyTorch's operations, on blocks that fit a CPU's cache; see `head_loss`."""
    dtype, head = x.dtype, weight.to(x.dtype)
    block = min(len(x), BLOCK_ROWS["cpu"])
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
    return Gradients(losses, x_grad, weight_grad)


def padded_gradients(x: Tensor, weight: Tensor, targets: Tensor, scale: float) -> Gradients:
    """By one kernel for the softmax, beside products whose sides are what a GPU likes; see
    `head_loss`.

    The head's rows of padding are zero, and so are the logits and gradients that come of them.
    """
    vocabulary = len(weight)
    head = F.pad(weight.to(x.dtype), (0, 0, 0, -vocabulary % ALIGNED))
    block = min(len(x), BLOCK_ROWS["cuda"])
    logits = x.new_empty(block, len(head))
    losses = torch.empty_like(targets, dtype=torch.float32)
    x_grad, weight_grad = torch.empty_like(x), torch.empty_like(head, dtype=weight.dtype)
    for begin in range(0, len(x), block):
        part = slice(begin, begin + block)
        inputs = x[part]
        scores = torch.mm(inputs, head.T, out=logits[: len(inputs)])
        _to_gradient(scores, targets[part], losses[part], vocabulary, scale / len(x))
        torch.mm(scores, head, out=x_grad[part])
        _add_product(weight_grad, scores.T, inputs, first=begin == 0)
    return Gradients(losses, x_grad, weight_grad[:vocabulary])


def _to_gradient(
    logits: Tensor, targets: Tensor, losses: Tensor, vocabulary: int, factor: float
) -> None:
    """As `softmax_kernel.softmax_gradient`; in plain operations where there is no GPU."""
    if logits.is_cuda:
        from noiseband.train.softmax_kernel import softmax_gradient  # not there without a GPU

        softmax_gradient(logits, targets, losses, vocabulary, factor)
        return
    scores = logits[:, :vocabulary].float()
    losses.copy_(F.cross_entropy(scores, targets, reduction="none"))
    gradient = torch.softmax(scores, dim=1)
    gradient[torch.arange(len(targets)), targets] -= 1.0
    logits[:, :vocabulary] = gradient * factor


def _add_product(total: Tensor, left: Tensor, right: Tensor, *, first: bool) -> None:
    """Add left @ right to a float32 total, in one product that accumulates in float32; the first
    one ignores what lies in the memory."""
    beta = 0.0 if first else 1.0
    if total.is_cuda and left.dtype is not total.dtype:
        torch.addmm(total, left, right, out_dtype=total.dtype, beta=beta, out=total)
    else:
        total.addmm_(left.to(total.dtype), right.to(total.dtype), beta=beta)


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
