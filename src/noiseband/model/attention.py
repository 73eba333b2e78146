"""The attention part of a block, and the activations that it keeps."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from noiseband.model.cache import Past
from noiseband.model.ideas import made_module
from noiseband.model.layers import Linear
from noiseband.model.masks import Masks
from noiseband.model.norms import make_norm
from noiseband.model.positions import Turn
from noiseband.model.scores import attention_to_past, explicit_attention, fused_attention
from noiseband.study.architecture import Model
from noiseband.study.plugins import is_idea

AttentionKind = Literal["explicit", "sdpa"]


class Attention(nn.Module):
    """Causal self-attention with separate query, key and value projections.

    `fused` computes the three as one product, W_qkv, whose rows are theirs one below the other.
    """

    def __init__(self, config: Model, kind: AttentionKind, fused: bool, window: int | None) -> None:
        super().__init__()
        width, bias, size = config.width, config.qkv_bias, config.head_width
        self.heads, self.kv_heads = config.heads, config.kv_heads
        self.size = size
        whole, groups = self.heads * size, self.kv_heads * size
        self.fused = fused
        if fused:
            self.W_qkv = Linear(config, width, whole + 2 * groups, bias)
        else:
            self.W_query = Linear(config, width, whole, bias)
            self.W_key = Linear(config, width, groups, bias)
            self.W_value = Linear(config, width, groups, bias)
        self.q_norm = make_norm(config, size) if config.attention.qk_norm else None
        self.k_norm = make_norm(config, size) if config.attention.qk_norm else None
        self.out_proj = Linear(config, whole, width, config.attention.bias, "residual")
        self.dropout = config.dropout
        self.softcap = config.attention.softcap
        self.windowed = window is not None
        self.kind = kind
        own = config.attention
        self.mix = made_module("attention", own, config, config) if is_idea(own.kind) else None

    def forward(
        self, x: Tensor, masks: Masks, rotation: Turn | None, past: Past | None = None
    ) -> Tensor:
        """x: (batch, time, width), and so is the result. With `past`, x follows what that has
        read."""
        projected = self._projected(x, rotation)
        mask = masks.windowed if self.windowed else masks.full
        dropped = self.dropout if self.training else 0.0
        if self.mix is not None:
            mixed = self._mixed_by_an_idea(projected, mask, past)
        elif past is not None:
            query, key, value = (x.transpose(1, 2) for x in self._split(projected))
            keys, values = past.extend(key, value)
            fused = self.kind == "sdpa"
            mixed = attention_to_past(query, keys, values, mask, fused, self.softcap)
        elif self.kind == "explicit":
            mixed = explicit_attention(
                self._every_head(projected), mask, self.heads, dropped, self.softcap
            )
        else:
            causal = masks.causal and mask is masks.full
            packed = self._every_head(projected)
            mixed = fused_attention(packed, None if causal else mask, self.heads, dropped)
        out: Tensor = self.out_proj(mixed)
        return out

    def _mixed_by_an_idea(self, projected: Tensor, mask: Tensor, past: Past | None) -> Tensor:
        """The mixed values, (batch, time, heads x head width)."""
        assert self.mix is not None
        query, key, value = (x.transpose(1, 2) for x in self._split(projected))
        if past is not None:
            key, value = past.extend(key, value)
        times = self.heads // self.kv_heads
        if times > 1:
            key, value = (x.repeat_interleave(times, dim=1) for x in (key, value))
        if mask.dim() == 2:
            mask = mask[None, None]
        # PyTorch's fused attention misreads a float32 mask of float64 queries.
        mask = mask.to(torch.promote_types(mask.dtype, query.dtype))
        mixed = self.mix(query, key, value, mask)
        joined: Tensor = mixed.transpose(1, 2).flatten(2)
        return joined

    def _projected(self, x: Tensor, rotation: Turn | None) -> Tensor:
        """The heads of queries, keys and values, (batch, time, heads + 2 x kv heads, head
        width)."""
        if self.fused:
            projected: Tensor = self.W_qkv(x)
        else:
            projected = torch.cat([self.W_query(x), self.W_key(x), self.W_value(x)], dim=-1)
        projected = projected.view(*x.shape[:2], self.heads + 2 * self.kv_heads, self.size)
        if self.q_norm is None and rotation is None:
            return projected
        turned, value = torch.split(projected, [self.heads + self.kv_heads, self.kv_heads], dim=2)
        if self.q_norm is not None and self.k_norm is not None:
            query, key = torch.split(turned, [self.heads, self.kv_heads], dim=2)
            turned = torch.cat([self.q_norm(query), self.k_norm(key)], dim=2).to(projected.dtype)
        if rotation is not None:
            turned = rotation(turned)
        return torch.cat([turned, value], dim=2)

    def _split(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of `_projected`."""
        sizes = [self.heads, self.kv_heads, self.kv_heads]
        query, key, value = torch.split(projected, sizes, dim=2)
        return query, key, value

    def _every_head(self, projected: Tensor) -> Tensor:
        """The same as (batch, time, 3, width), with a copy of keys and values for every head of
        queries."""
        if self.kv_heads < self.heads:
            query, *shared = self._split(projected)
            times = self.heads // self.kv_heads
            copies = [x.unsqueeze(3).expand(-1, -1, -1, times, -1).flatten(2, 3) for x in shared]
            projected = torch.cat([query, *copies], dim=2)
        batch, time, _, size = projected.shape
        return projected.view(batch, time, 3, self.heads * size)


def kept_numbers(config: Model) -> int:
    """The numbers that a forward pass keeps for each token, for the backward pass, except scores.

    They are the input, a query, a key and a value for every head of queries, and the mixed values;
    a norm of queries and keys also keeps what it was given.
    """
    normed = config.heads + 2 * config.kv_heads if config.attention.qk_norm else 0
    return config.width + (4 * config.heads + normed) * config.head_width


def kept_scores(config: Model) -> int:
    """The scores that explicit attention keeps for each token."""
    copies = 1 + (1 if config.dropout else 0) + (1 if config.attention.softcap else 0)
    return copies * config.heads * config.context
