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

from noiseband.study.recipe import Model


class Linear(nn.Module):
    """`x @ weight.T + bias`; weight (out, in), bias (out,) or absent."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(fan_out, fan_in))
        self.bias = nn.Parameter(torch.empty(fan_out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class Embedding(nn.Module):
    """Rows of weight (entries, width) by index."""

    def __init__(self, entries: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(entries, width))

    def forward(self, index: Tensor) -> Tensor:
        return F.embedding(index, self.weight)


class LayerNorm(nn.Module):
    """Normalise the last dimension by its population variance, eps 1e-5; then scale and shift."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(width))
        self.shift = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.scale.shape, self.scale, self.shift, eps=1e-5)


class Attention(nn.Module):
    """Causal multi-head self-attention with separate query, key and value projections."""

    def __init__(self, config: Model, kind: Literal["explicit", "sdpa"]) -> None:
        super().__init__()
        self.W_query = Linear(config.width, config.width, bias=config.qkv_bias)
        self.W_key = Linear(config.width, config.width, bias=config.qkv_bias)
        self.W_value = Linear(config.width, config.width, bias=config.qkv_bias)
        self.out_proj = Linear(config.width, config.width)
        self.heads = config.heads
        self.dropout = config.dropout
        self.kind = kind

    def forward(self, x: Tensor, future: Tensor) -> Tensor:
        """x: (batch, time, width); future: (time, time) bool, True where key is after query."""
        batch, time, width = x.shape
        shape = (batch, time, self.heads, width // self.heads)
        query = self.W_query(x).view(shape).transpose(1, 2)
        key = self.W_key(x).view(shape).transpose(1, 2)
        value = self.W_value(x).view(shape).transpose(1, 2)
        dropout = self.dropout if self.training else 0.0
        if self.kind == "sdpa":
            mixed = F.scaled_dot_product_attention(
                query, key, value, dropout_p=dropout, is_causal=True
            )
        else:
            scores = (query @ key.transpose(2, 3)).masked_fill(future, -math.inf)
            weights = torch.softmax(scores / math.sqrt(width // self.heads), dim=-1)
            mixed = F.dropout(weights, dropout, self.training) @ value
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, time, width))
        return out


class FeedForward(nn.Module):
    """Four times the width, tanh-approximated GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # A list with the activation in the middle, so that the parameters are layers.0 and
        # layers.2 as in the reference.
        self.layers = nn.Sequential(
            Linear(width, 4 * width), nn.GELU(approximate="tanh"), Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class Block(nn.Module):
    """Pre-norm transformer block; dropout on each residual branch."""

    def __init__(self, config: Model, attention: Literal["explicit", "sdpa"]) -> None:
        super().__init__()
        self.att = Attention(config, attention)
        self.ff = FeedForward(config.width)
        self.norm1 = LayerNorm(config.width)
        self.norm2 = LayerNorm(config.width)
        self.dropout = config.dropout

    def forward(self, x: Tensor, future: Tensor) -> Tensor:
        x = x + F.dropout(self.att(self.norm1(x), future), self.dropout, self.training)
        return x + F.dropout(self.ff(self.norm2(x)), self.dropout, self.training)


class GPT(nn.Module):
    """Token ids (batch, time) to logits (batch, time, vocabulary)."""

    def __init__(self, config: Model, attention: Literal["explicit", "sdpa"] = "explicit") -> None:
        super().__init__()
        self.config = config
        self.tok_emb = Embedding(config.vocabulary, config.width)
        self.pos_emb = Embedding(config.context, config.width)
        self.trf_blocks = nn.ModuleList(Block(config, attention) for _ in range(config.layers))
        self.final_norm = LayerNorm(config.width)
        # A tied head is the token embedding, so it has no parameter of its own.
        self.out_head = None if config.tied else Linear(config.width, config.vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Raises IndexError where time exceeds the context."""
        time = tokens.shape[1]
        position = torch.arange(time, device=tokens.device)
        future = position[None, :] > position[:, None]
        x = self.tok_emb(tokens) + self.pos_emb(position)
        x = F.dropout(x, self.config.dropout, self.training)
        for block in self.trf_blocks:
            x = block(x, future)
        x = self.final_norm(x)
        return F.linear(x, self.tok_emb.weight) if self.out_head is None else self.out_head(x)


def empty_model(config: Model, attention: Literal["explicit", "sdpa"] = "explicit") -> GPT:
    """A model whose parameters have shapes and no storage."""
    with torch.device("meta"):
        return GPT(config, attention)


def parameter_shapes(config: Model) -> dict[str, tuple[int, ...]]:
    """Every parameter's name and shape, in the order in which the reference draws them."""
    return {name: tuple(p.shape) for name, p in empty_model(config).named_parameters()}
