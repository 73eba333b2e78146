"""Keys and values of the tokens read so far, so that each new token costs only one position."""

from __future__ import annotations

import torch
from torch import Tensor


class Past:
    """The keys and values that one attention layer keeps for the tokens read so far."""

    def __init__(self, rows: int, heads: int, capacity: int, size: int, like: Tensor) -> None:
        self.keys = like.new_empty(rows, heads, capacity, size)
        self.values = torch.empty_like(self.keys)
        self.length = 0

    def extend(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Add the keys and values of new tokens; the cache has room for `capacity` tokens.

        Args:
            projected: (rows, time, 3, width): queries, keys and values of the new tokens.

        Returns:
            Queries of the new tokens, (rows, heads, time, head width), and keys and values of all
            tokens so far, (rows, heads, length, head width).
        """
        rows, time, _, width = projected.shape
        heads = self.keys.shape[1]
        split = projected.view(rows, time, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        end = self.length + time
        self.keys[:, :, self.length : end] = split[1]
        self.values[:, :, self.length : end] = split[2]
        self.length = end
        return split[0], self.keys[:, :, :end], self.values[:, :, :end]
