"""A GPT-2-style decoder whose parameters carry the reference series' names.

Parameters are created uninitialised, on the meta device if the caller is under one: weights come
from `noiseband.model.init` or from a file, never from a constructor.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseband.model.attention import attention_to_past, explicit_attention
from noiseband.model.cache import Past
from noiseband.model.dropout import dropout
from noiseband.model.feed_forward import FeedForward
from noiseband.model.layers import Embedding, Linear
from noiseband.model.norms import make_norm
from noiseband.study.recipe import Model

AttentionKind = Literal["explicit", "sdpa"]


class Attention(nn.Module):
    """Causal multi-head self-attention with separate query, key and value projections.

    `fused` computes the three as one product, W_qkv, whose rows are theirs one below the other.
    """

    def __init__(self, config: Model, kind: AttentionKind, fused: bool) -> None:
        super().__init__()
        width, bias = config.width, config.qkv_bias
        self.fused = fused
        if fused:
            self.W_qkv = Linear(width, 3 * width, bias=bias)
        else:
            self.W_query = Linear(width, width, bias=bias)
            self.W_key = Linear(width, width, bias=bias)
            self.W_value = Linear(width, width, bias=bias)
        self.out_proj = Linear(width, width)
        self.heads = config.heads
        self.dropout = config.dropout
        self.kind = kind

    def forward(self, x: Tensor, mask: Tensor, past: Past | None = None) -> Tensor:
        """x: (batch, time, width); mask: (time, time), -inf where the key is after the query.

        With `past`, x follows what that has read, and the mask is that of `GPT.extend`.
        """
        batch, time, width = x.shape
        if self.fused:
            projected = self.W_qkv(x)
        else:
            projected = torch.cat([self.W_query(x), self.W_key(x), self.W_value(x)], dim=-1)
        projected = projected.view(batch, time, 3, width)
        dropped = self.dropout if self.training else 0.0
        if past is not None:
            mixed = attention_to_past(*past.extend(projected), mask, self.kind == "sdpa")
        elif self.kind == "explicit":
            mixed = explicit_attention(projected, mask, self.heads, dropped)
        else:
            split = projected.view(batch, time, 3, self.heads, width // self.heads)
            query, key, value = split.permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(
                query, key, value, dropout_p=dropped, is_causal=True
            )
            mixed = mixed.transpose(1, 2).flatten(2)
        out: Tensor = self.out_proj(mixed)
        return out


class Block(nn.Module):
    """Pre-norm transformer block; dropout on each residual branch."""

    def __init__(self, config: Model, attention: AttentionKind, fused: bool) -> None:
        super().__init__()
        self.att = Attention(config, attention, fused)
        self.ff = FeedForward(config)
        self.norm1 = make_norm(config)
        self.norm2 = make_norm(config)
        self.dropout = config.dropout

    def forward(self, x: Tensor, mask: Tensor, past: Past | None = None) -> Tensor:
        x = x + dropout(self.att(self.norm1(x), mask, past), self.dropout, self.training)
        return x + dropout(self.ff(self.norm2(x)), self.dropout, self.training)


class GPT(nn.Module):
    """Token ids (batch, time) to logits (batch, time, vocabulary)."""

    def __init__(
        self, config: Model, attention: AttentionKind = "explicit", fused: bool = False
    ) -> None:
        super().__init__()
        self.config = config
        self.tok_emb = Embedding(config.vocabulary, config.width)
        self.pos_emb = Embedding(config.context, config.width)
        self.trf_blocks = nn.ModuleList(
            Block(config, attention, fused) for _ in range(config.layers)
        )
        self.final_norm = make_norm(config)
        # A tied head is the token embedding, so it has no parameter of its own.
        self.out_head = None if config.tied else Linear(config.width, config.vocabulary, bias=False)

    @property
    def head(self) -> Tensor:
        """The output head's weight, (vocabulary, width)."""
        return self.tok_emb.weight if self.out_head is None else self.out_head.weight

    def hidden(self, tokens: Tensor) -> Tensor:
        """What the head projects, (batch, time, width). IndexError where time exceeds the
        context."""
        time = tokens.shape[1]
        position = torch.arange(time, device=tokens.device)
        x = self.tok_emb(tokens) + self.pos_emb(position)
        x = dropout(x, self.config.dropout, self.training)
        mask = torch.full((time, time), -math.inf, device=tokens.device).triu(1)
        for block in self.trf_blocks:
            x = block(x, mask)
        out: Tensor = self.final_norm(x)
        return out

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(self.hidden(tokens), self.head)

    def no_past(self, rows: int, capacity: int) -> list[Past]:
        """Room in each layer for what `extend` reads of `capacity` tokens in each row."""
        config, like = self.config, self.tok_emb.weight
        size = config.width // config.heads
        return [Past(rows, config.heads, capacity, size, like) for _ in self.trf_blocks]

    def extend(self, past: list[Past], tokens: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """`hidden` of tokens that follow those read into `past`, which keeps them too.

        Args:
            tokens: (rows, time).
            positions: each token's place in its text, (rows or 1, time).
            mask: (rows or 1, 1, time, tokens read + time) float32, -inf where a new token must
                not look.
        """
        x = self.tok_emb(tokens) + self.pos_emb(positions)
        for block, kept in zip(self.trf_blocks, past, strict=True):
            x = block(x, mask, kept)
        out: Tensor = self.final_norm(x)
        return out


def empty_model(config: Model, attention: AttentionKind = "explicit", fused: bool = False) -> GPT:
    """A model whose parameters have shapes and no storage."""
    with torch.device("meta"):
        return GPT(config, attention, fused)


def parameter_shapes(config: Model) -> dict[str, tuple[int, ...]]:
    """Every parameter's name and shape, in the order in which the reference draws them."""
    return {name: tuple(p.shape) for name, p in empty_model(config).named_parameters()}


def reference_parts(name: str, shape: torch.Size) -> list[tuple[str, torch.Size]]:
    """The reference's parameters that make up one of the model's, in order, with their shapes."""
    if ".W_qkv." not in name:
        return [(name, shape)]
    part = torch.Size([shape[0] // 3, *shape[1:]])
    return [(name.replace("W_qkv", f"W_{kind}"), part) for kind in ("query", "key", "value")]
