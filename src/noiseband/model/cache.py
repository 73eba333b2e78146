"""What a model keeps of the tokens read so far, so that each new token costs only one position."""

from __future__ import annotations

import torch
from torch import Tensor

from noiseband.model.masks import Masks, documents, of_new_tokens
from noiseband.study.architecture import Model


class Past:
    """The keys and values that one attention layer keeps for the tokens read so far."""

    def __init__(self, rows: int, heads: int, capacity: int, size: int, like: Tensor) -> None:
        self.keys = like.new_empty(rows, heads, capacity, size)
        self.values = torch.empty_like(self.keys)
        self.length = 0

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add those of new tokens, each (rows, heads, time, head width), for which there is room.

        Returns:
            The keys and the values of all tokens so far, each (rows, heads, length, head width).
        """
        end = self.length + keys.shape[2]
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]


class Cache:
    """What a whole model keeps: the pasts of its layers, and where and in which document its tokens
    are."""

    def __init__(self, config: Model, rows: int, capacity: int, like: Tensor) -> None:
        self.config = config
        size = rows, config.kv_heads, capacity, config.head_width
        self.layers = [Past(*size, like) for _ in range(config.layers)]
        self.positions = torch.zeros(rows, capacity, dtype=torch.int64, device=like.device)
        self.documents = torch.zeros_like(self.positions)
        self.ended = self.positions.new_zeros(rows, 1)
        """How many documents have ended in each row."""
        self.length = 0

    def masks(self, tokens: Tensor, positions: Tensor, mask: Tensor) -> Masks:
        """Note new tokens, (rows, time), at positions (rows or 1, time); their masks, given the one
        of `GPT.extend`."""
        part = self.config.attention
        if part.window is None and not part.documents:
            return Masks(mask, mask, causal=False)
        new = slice(self.length, self.length + tokens.shape[1])
        self.length = new.stop
        self.positions[:, new] = positions
        self.documents[:, new] = self.ended + documents(self.config, tokens)
        self.ended += (tokens == self.config.end_of_text).sum(1, keepdim=True)
        so_far = slice(0, new.stop)
        return of_new_tokens(
            self.config,
            mask,
            (self.positions[:, new], self.positions[:, so_far]),
            (self.documents[:, new], self.documents[:, so_far]),
        )
