"""The output head and its cross-entropy as one operation, computed in blocks of rows.

The logits of a microbatch are by far the largest activation. PyTorch's head and loss keep several
arrays of that size and pass over them a dozen times. Here the forward pass also computes the
gradient, block by block, so a block stays in a CPU's cache, and a GPU never holds all logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from noiseband.ideas.load import idea
from noiseband.model.ideas import checked_values
from noiseband.products import rounded, type_of_operands
from noiseband.study.loss import Loss
from noiseband.study.plugins import is_idea

BLOCK_ROWS = {"cpu": 64, "cuda": 4096}
"""Rows of logits in a block, by kind of device: just enough for matrix products at full speed."""

ALIGNED = 128
"""A GPU's head is padded to a multiple of this many rows. A vocabulary is often an odd number
(GPT-2's is 50,257), and a product with an odd side runs at a sixth of the speed."""


PLAIN = Loss()
"""Minimise the cross-entropy and nothing else."""


class Gradients(NamedTuple):
    """The losses and the gradients that one pass over the rows computes."""

    losses: Tensor
    """-log softmax[target] of each row, (n,) float32."""
    x: Tensor
    """Gradient of `scale` times the mean objective with respect to x, (n, width)."""
    weight: Tensor
    """The same with respect to the weight, (vocabulary, width), in the weight's dtype."""


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        targets: Tensor,
        dtype: torch.dtype,
        scale: float,
        terms: Loss,
        softcap: float | None,
    ) -> Tensor:
        ctx.type = x.dtype
        by_device = padded_gradients if x.is_cuda else cached_gradients
        found = by_device(x.to(dtype), weight, targets, scale, terms, softcap)
        ctx.save_for_backward(found.x, found.weight)
        return found.losses.mean() * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_grad, weight_grad = ctx.saved_tensors
        x_grad = x_grad.to(ctx.type)
        # Reading the factor would make the CPU wait for a GPU. On a CPU, a factor of 1 saves a
        # pass over the weight's gradient.
        if grads[0].is_cuda or grads[0].item() != 1.0:
            # In place, because backward runs once for each forward.
            x_grad.mul_(grads[0])
            weight_grad.mul_(grads[0])
        return x_grad, weight_grad, None, None, None, None, None


def cached_gradients(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    scale: float,
    terms: Loss = PLAIN,
    softcap: float | None = None,
) -> Gradients:
    """The gradients by PyTorch's operations, on blocks that fit a CPU's cache; see `head_loss`."""
    dtype, held = x.dtype, type_of_operands(x.dtype, x.device)
    x, head = x.to(held), weight.to(dtype).to(held)
    block = min(len(x), BLOCK_ROWS["cpu"])
    logits = x.new_empty(block, len(head))
    losses = torch.empty_like(targets, dtype=torch.float32)
    x_grad, weight_grad = torch.empty_like(x), torch.empty_like(weight)
    for begin in range(0, len(x), block):
        part = slice(begin, begin + block)
        inputs, of = x[part], targets[part, None]
        scores = rounded(torch.mm(inputs, head.T, out=logits[: len(inputs)]), dtype)
        slopes = None if softcap is None else _cap(scores, softcap)
        # Shifted by the row's maximum, so that the exponential cannot overflow.
        largest = scores.amax(dim=1, keepdim=True)
        scores.sub_(largest)
        of_target = scores.gather(1, of)
        total = scores.exp_().sum(dim=1, keepdim=True)
        torch.sub(total.log(), of_target, out=losses[part, None])
        # Gradient of the logits: softmax minus one at the target, times scale / n. In float32 a
        # row's factor is applied later, to a smaller matrix; 16 bits could not hold the values.
        # The z-loss multiplies the softmax; label smoothing moves a share of the one elsewhere.
        if terms.z_loss:
            scores.mul_(1.0 + 2.0 * terms.z_loss * (largest + total.log()))
        if terms.label_smoothing:
            scores.sub_(total * (terms.label_smoothing / len(head)))
        scores.scatter_add_(1, of, -total * (1.0 - terms.label_smoothing))
        if slopes is not None:
            scores.mul_(slopes)
        factor = scale / len(x) / total
        if dtype is torch.float32:
            torch.mm(scores, head, out=x_grad[part]).mul_(factor)
            # With a beta of 0, the first block ignores the uninitialised memory.
            weight_grad.addmm_(scores.T, inputs * factor, beta=float(begin > 0))
        else:
            gradient = scores.mul_(factor).to(dtype).to(held)
            torch.mm(gradient, head, out=x_grad[part])
            product = (gradient.T @ inputs).to(dtype)
            weight_grad = weight_grad.add_(product) if begin else product.to(weight.dtype)
    return Gradients(losses, x_grad.to(dtype), weight_grad)


def padded_gradients(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    scale: float,
    terms: Loss = PLAIN,
    softcap: float | None = None,
) -> Gradients:
    """The gradients by one softmax kernel and by products with aligned sides; see `head_loss`.

    The head's padding rows are zero, and so are their logits and gradients.
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
        slopes = None if softcap is None else _cap(scores, softcap)
        _to_gradient(scores, targets[part], losses[part], vocabulary, scale / len(x), terms)
        if slopes is not None:
            scores.mul_(slopes)
        torch.mm(scores, head, out=x_grad[part])
        _add_product(weight_grad, scores.T, inputs, first=begin == 0)
    return Gradients(losses, x_grad, weight_grad[:vocabulary])


def _cap(scores: Tensor, softcap: float) -> Tensor:
    """Replace scores by c tanh(score / c), in their own dtype; return its slope at each."""
    shares = torch.tanh(scores.float() / softcap)
    scores.copy_(shares * softcap)
    return 1.0 - shares.square()


def _to_gradient(
    logits: Tensor, targets: Tensor, losses: Tensor, vocabulary: int, factor: float, terms: Loss
) -> None:
    """`softmax_kernel.softmax_gradient`, or the same in PyTorch's operations without a GPU."""
    if logits.is_cuda:
        from noiseband.train.softmax_kernel import softmax_gradient  # needs Triton

        softmax_gradient(logits, targets, losses, vocabulary, factor, terms)
        return
    scores = logits[:, :vocabulary].float()
    losses.copy_(F.cross_entropy(scores, targets, reduction="none"))
    gradient = torch.softmax(scores, dim=1)
    if terms.z_loss:
        gradient *= 1.0 + 2.0 * terms.z_loss * scores.logsumexp(dim=1, keepdim=True)
    gradient[torch.arange(len(targets)), targets] -= 1.0 - terms.label_smoothing
    if terms.label_smoothing:
        gradient -= terms.label_smoothing / vocabulary
    logits[:, :vocabulary] = gradient * factor


def _add_product(total: Tensor, left: Tensor, right: Tensor, *, first: bool) -> None:
    """Add left @ right to a float32 total, in one product that accumulates in float32.

    The first product ignores the uninitialised memory of the total.
    """
    beta = 0.0 if first else 1.0
    if total.is_cuda and left.dtype is not total.dtype:
        torch.addmm(total, left, right, out_dtype=total.dtype, beta=beta, out=total)
    else:
        total.addmm_(left.to(total.dtype), right.to(total.dtype), beta=beta)


def head_loss(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    dtype: torch.dtype,
    scale: float = 1.0,
    terms: Loss = PLAIN,
    softcap: float | None = None,
) -> Tensor:
    """`scale` times the mean of -log softmax(x @ weight.T)[target], in nats.

    Args:
        x: (n, width).
        weight: (vocabulary, width).
        targets: (n,) int64.
        dtype: type in which the products are computed; the loss is computed in float32.
        scale: loss scale; it is needed here because the forward pass computes the gradient.
        terms: what else is minimised. The value is the plain cross-entropy, and the gradient is
            that of the `objective`.
        softcap: limit c of the logits, c tanh(logit / c), before the softmax.

    Returns:
        A float32 scalar whose backward pass may run once.
    """
    loss: Tensor = _HeadLoss.apply(x, weight, targets, dtype, scale, terms, softcap)  # type: ignore[no-untyped-call]
    return loss


def objective(logits: Tensor, targets: Tensor, terms: Loss) -> Tensor:
    """What training minimises, by PyTorch's operations: the mean cross-entropy with smoothed labels
    plus the weighted mean of the squared logsumexp.

    Args:
        logits: (n, vocabulary).
        targets: (n,) int64.
    """
    loss = F.cross_entropy(logits, targets, label_smoothing=terms.label_smoothing)
    return loss + terms.z_loss * logits.logsumexp(dim=1).square().mean() if terms.z_loss else loss


def plain_loss(logits: Tensor, targets: Tensor, terms: Loss) -> Tensor:
    """The value of the mean cross-entropy, with the gradient of the `objective`."""
    if terms == PLAIN:
        return F.cross_entropy(logits, targets)
    plain = F.cross_entropy(logits.detach(), targets)
    shown: Tensor = _Shown.apply(objective(logits, targets, terms), plain)  # type: ignore[no-untyped-call]
    return shown


def own_loss(terms: Loss, plugins: Mapping[str, str]) -> Callable[[Tensor, Tensor], Tensor] | None:
    """For a loss that is an idea of a plugin: from logits and targets to the value of the mean
    cross-entropy, with the gradient of the mean of the idea's values. None for any other loss."""
    if not is_idea(terms.kind):
        return None
    function = idea("loss", terms.kind, plugins)

    def shown(logits: Tensor, targets: Tensor) -> Tensor:
        found = function(logits, targets, **terms.options)
        values = checked_values(terms.kind, found, targets, trained=torch.is_grad_enabled())
        plain = F.cross_entropy(logits.detach(), targets)
        value: Tensor = _Shown.apply(values.mean(), plain)  # type: ignore[no-untyped-call]
        return value

    return shown


class _Shown(torch.autograd.Function):
    """The value of one tensor with the gradient of another."""

    @staticmethod
    def forward(ctx: Any, minimised: Tensor, shown: Tensor) -> Tensor:
        return shown.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None
