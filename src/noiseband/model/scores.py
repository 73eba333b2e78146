"""The kernels of attention: scores, mask, softmax, and dropout on the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from noiseband.model.dropout import by_hand, dropout, dropout_mask


def explicit_attention(
    projected: Tensor, mask: Tensor, heads: int, dropped: float, softcap: float | None = None
) -> Tensor:
    """Mix values by softmax(query @ key.T / sqrt(head width) + mask), with dropout on the weights.

    Args:
        projected: (batch, time, 3, width): queries, keys and values.
        mask: (time, time) or (batch, 1, time, time) float32, 0 or -inf.
        heads: number of heads; it divides width.
        dropped: probability of dropping a weight; 0 when not training.
        softcap: limit c of the scores before the mask, c tanh(score / c).

    Returns:
        (batch, time, width).
    """
    if mask.dim() == 4:
        mask = mask.expand(-1, heads, -1, -1).flatten(0, 1)
    if softcap is None and by_hand(projected) and projected.dtype is torch.float32:
        mixed: Tensor = _Attention.apply(projected, mask, heads, dropped)  # type: ignore[no-untyped-call]
        return mixed
    query, key, value = _split(projected, heads)
    mask = mask.to(query.dtype)
    if softcap is None:
        # scale x query @ key.T + mask, in one pass over the scores
        scores = torch.baddbmm(mask, query, key.transpose(1, 2), alpha=_scale(query))
    else:
        scores = _capped(torch.bmm(query, key.transpose(1, 2)) * _scale(query), softcap) + mask
    weights = dropout(torch.softmax(scores, dim=-1), dropped, dropped > 0.0)
    return _join(weights @ value, heads)


def fused_attention(projected: Tensor, mask: Tensor | None, heads: int, dropped: float) -> Tensor:
    """`explicit_attention` by PyTorch's fused kernel; without a mask, a causal one."""
    batch, time, _, width = projected.shape
    split = projected.view(batch, time, 3, heads, width // heads)
    query, key, value = split.permute(2, 0, 3, 1, 4)
    if mask is not None:
        mask = mask.to(query.dtype)
    mixed = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, dropout_p=dropped, is_causal=mask is None
    )
    return mixed.transpose(1, 2).flatten(2)


def attention_to_past(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    fused: bool,
    softcap: float | None = None,
) -> Tensor:
    """Attention of new tokens to all tokens read so far, without dropout or a manual gradient.

    Args:
        query: (rows, heads, time, head width), for the new tokens.
        keys, values: (rows, kv heads, length, head width), for all tokens; the heads of queries
            share them in groups of equal size.
        mask: (rows or 1, 1, time, length) float32, 0 or -inf.
        fused: whether PyTorch's fused kernel computes it.
        softcap: as in `explicit_attention`.

    Returns:
        (rows, time, width).
    """
    rows, heads, time, size = query.shape
    groups = keys.shape[1]
    if groups < heads:
        # The heads of a group, one below the other, are one matrix.
        query = query.reshape(rows, groups, heads // groups * time, size)
        mask = mask.repeat(1, 1, heads // groups, 1)
    if fused:
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    else:
        scores = (query * _scale(query)) @ keys.transpose(2, 3)
        if softcap is not None:
            scores = _capped(scores, softcap)
        mixed = torch.softmax(scores + mask, dim=-1) @ values
    return mixed.reshape(rows, heads, time, size).transpose(1, 2).flatten(2)


def _capped(scores: Tensor, softcap: float) -> Tensor:
    return softcap * torch.tanh(scores / softcap)


class _Attention(torch.autograd.Function):
    """Explicit attention with a manual gradient. It takes half as many operations, and for small
    tensors the time depends on their number."""

    @staticmethod
    def forward(ctx: Any, projected: Tensor, mask: Tensor, heads: int, dropped: float) -> Tensor:
        split = _split(projected, heads)
        query, key, value = split
        scores = torch.baddbmm(mask, query, key.transpose(1, 2), alpha=_scale(query))
        weights = kept = torch.softmax(scores, dim=-1, out=scores)
        keep = None
        if dropped > 0.0:
            keep = dropout_mask(weights, dropped)
            kept = weights * keep
        ctx.save_for_backward(split, weights, kept, keep)
        ctx.heads = heads
        return _join(torch.bmm(kept, value), heads)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        split, weights, kept, keep = ctx.saved_tensors
        query, key, value = split
        (mixed,) = _split(grads[0][:, :, None], ctx.heads)
        gradient = torch.empty_like(split)
        of_query, of_key, of_value = gradient
        torch.bmm(kept.transpose(1, 2), mixed, out=of_value)
        of_weights = torch.bmm(mixed, value.transpose(1, 2))
        if keep is not None:
            of_weights.mul_(keep)
        # Derivative of softmax: weights x (gradient - its mean under the weights).
        scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        scale = _scale(query)
        torch.baddbmm(of_query, scores, key, beta=0.0, alpha=scale, out=of_query)
        torch.baddbmm(of_key, scores.transpose(1, 2), query, beta=0.0, alpha=scale, out=of_key)
        parts, _, time, width = gradient.shape
        gradient = gradient.view(parts, -1, ctx.heads, time, width).permute(1, 3, 0, 2, 4)
        return gradient.flatten(3), None, None, None


def _scale(query: Tensor) -> float:
    return 1.0 / math.sqrt(query.shape[-1])


def _split(x: Tensor, heads: int) -> Tensor:
    """(batch, time, parts, width) to (parts, batch x heads, time, head width), contiguous."""
    batch, time, parts, width = x.shape
    x = x.view(batch, time, parts, heads, width // heads)
    return x.permute(2, 0, 3, 1, 4).reshape(parts, batch * heads, time, width // heads)


def _join(x: Tensor, heads: int) -> Tensor:
    """(batch x heads, time, head width) to (batch, time, width)."""
    _, time, width = x.shape
    return x.view(-1, heads, time, width).transpose(1, 2).flatten(2)
