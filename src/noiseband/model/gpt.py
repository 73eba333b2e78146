"""A decoder whose parameters carry the reference series' names.

Parameters are created uninitialised, on the meta device if the caller is under one: weights come
from `noiseband.model.init` or from a file, never from a constructor.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseband.model.attention import Attention, AttentionKind
from noiseband.model.cache import Cache, Past
from noiseband.model.dropout import dropout
from noiseband.model.feed_forward import make_feed_forward
from noiseband.model.ideas import check_distinct, checked_output
from noiseband.model.layers import Embedding, Linear
from noiseband.model.masks import Masks, of_sequences
from noiseband.model.norms import make_norm
from noiseband.model.positions import OwnTurn, Rotation, Turn, make_positions
from noiseband.study.architecture import Model


class Block(nn.Module):
    """A transformer block; dropout on each residual branch."""

    def __init__(
        self, config: Model, attention: AttentionKind, fused: bool, window: int | None
    ) -> None:
        super().__init__()
        self.att = Attention(config, attention, fused, window)
        self.ff = make_feed_forward(config)
        self.norm1 = make_norm(config)
        self.norm2 = make_norm(config)
        self.dropout = config.dropout
        self.post = config.norm.place == "post"

    def forward(
        self, x: Tensor, masks: Masks, rotation: Turn | None, past: Past | None = None
    ) -> Tensor:
        if self.post:
            x = self.norm1(x + self._dropped(self.att(x, masks, rotation, past)))
            out: Tensor = self.norm2(x + self._dropped(self.ff(x)))
            return out
        x = x + self._dropped(self.att(self.norm1(x), masks, rotation, past))
        return x + self._dropped(self.ff(self.norm2(x)))

    def _dropped(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training)


class GPT(nn.Module):
    """Token ids (batch, time) to logits (batch, time, vocabulary)."""

    def __init__(
        self, config: Model, attention: AttentionKind = "explicit", fused: bool = False
    ) -> None:
        super().__init__()
        self.config = config
        self.tok_emb = Embedding(config, config.vocabulary)
        learned = config.positions.kind == "learned"
        self.pos_emb = Embedding(config, config.context) if learned else None
        self.positions: Any = make_positions(config)
        self.emb_norm = make_norm(config) if config.norm.embedding else None
        self.trf_blocks = nn.ModuleList(
            Block(config, attention, fused, window) for window in config.windows
        )
        # Post-norm blocks end with a norm.
        self.final_norm = make_norm(config) if config.norm.place == "pre" else None
        # A tied head is the token embedding, so it has no parameter of its own.
        self.out_head = (
            None
            if config.tied
            else Linear(config, config.width, config.vocabulary, bias=False, role="head")
        )
        check_distinct(self)

    @property
    def head(self) -> Tensor:
        """The output head's weight, (vocabulary, width)."""
        return self.tok_emb.weight if self.out_head is None else self.out_head.weight

    def hidden(self, tokens: Tensor) -> Tensor:
        """What the head projects, (batch, time, width). IndexError where time exceeds the
        context."""
        time = tokens.shape[1]
        if time > self.config.context:
            raise IndexError(f"{time} tokens are more than the context of {self.config.context}")
        positions = torch.arange(time, device=tokens.device)
        x = dropout(self._embedded(tokens, positions), self.config.dropout, self.training)
        masks, rotation = of_sequences(self.config, tokens), self._rotation(positions[None])
        for block in self.trf_blocks:
            x = block(x, masks, rotation)
        return self._normed(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """The logits, (..., vocabulary), of what `hidden` returns."""
        return capped(F.linear(hidden, self.head), self.config.logit_softcap)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits(self.hidden(tokens))

    def no_past(self, rows: int, capacity: int) -> Cache:
        """Room for what `extend` reads of `capacity` tokens in each row."""
        return Cache(self.config, rows, capacity, self.tok_emb.weight)

    def extend(self, past: Cache, tokens: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """`hidden` of tokens that follow those read into `past`, which keeps them too.

        Args:
            tokens: (rows, time).
            positions: each token's place in its text, (rows or 1, time).
            mask: (rows or 1, 1, time, tokens read + time) float32, -inf where a new token must
                not look.
        """
        x = self._embedded(tokens, positions)
        masks, rotation = past.masks(tokens, positions, mask), self._rotation(positions)
        for block, kept in zip(self.trf_blocks, past.layers, strict=True):
            x = block(x, masks, rotation, kept)
        return self._normed(x)

    def _embedded(self, tokens: Tensor, positions: Tensor) -> Tensor:
        x: Tensor = self.tok_emb(tokens)
        if self.config.embedding_scale != 1.0:
            x = x * self.config.embedding_scale
        if self.pos_emb is not None:
            x = x + self.pos_emb(positions)
        if hasattr(self.positions, "embed"):
            rows = positions if positions.dim() == 2 else positions[None]
            shape = torch.Size([*rows.shape, x.shape[-1]])
            added = self.positions.embed(rows)
            x = x + checked_output(self.config.positions.kind, added, shape, "embed ").to(x.dtype)
        return x if self.emb_norm is None else self.emb_norm(x)

    def _rotation(self, positions: Tensor) -> Turn | None:
        if hasattr(self.positions, "turn"):
            return OwnTurn(self.config.positions.kind, self.positions, positions)
        if self.config.positions.kind != "rotary":
            return None
        return Rotation(self.config, positions, self.tok_emb.weight.dtype)

    def _normed(self, x: Tensor) -> Tensor:
        return x if self.final_norm is None else self.final_norm(x)


def capped(logits: Tensor, softcap: float | None) -> Tensor:
    """c tanh(logits / c), with a limit c, or the logits themselves without one."""
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


def empty_model(config: Model, attention: AttentionKind = "explicit", fused: bool = False) -> GPT:
    """A model whose parameters have shapes and no storage."""
    with torch.device("meta"):
        return GPT(config, attention, fused)


def parameter_shapes(config: Model) -> dict[str, tuple[int, ...]]:
    """Every parameter's name and shape, in the order in which the reference draws them."""
    return {name: tuple(p.shape) for name, p in empty_model(config).named_parameters()}


def reference_parts(name: str, shape: torch.Size, config: Model) -> list[tuple[str, torch.Size]]:
    """The reference's parameters that make up one of the model's, in order, with their shapes."""
    if ".att.W_qkv." not in name:
        return [(name, shape)]
    heads = {"query": config.heads, "key": config.kv_heads, "value": config.kv_heads}
    return [
        (name.replace("W_qkv", f"W_{kind}"), torch.Size([count * config.head_width, *shape[1:]]))
        for kind, count in heads.items()
    ]
