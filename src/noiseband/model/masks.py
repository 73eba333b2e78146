"""Which tokens a token sees: float32 masks, 0 or -inf, that are added to attention's scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseband.study.architecture import Model


@dataclass(frozen=True)
class Masks:
    """The masks of a pass through a model, for its layers with and without a window."""

    full: Tensor
    """(time, length), or (rows or 1, 1, time, length)."""
    windowed: Tensor
    """The same with a window; `full` itself if no layer has one."""
    causal: bool
    """Whether `full` lets a token see all tokens up to itself and no others."""


def of_sequences(config: Model, tokens: Tensor) -> Masks:
    """The masks of whole sequences of tokens, (batch, time)."""
    time, device = tokens.shape[1], tokens.device
    full = torch.full((time, time), -math.inf, device=device).triu(1)
    window = _window(config)
    windowed = full
    if window is not None:
        windowed = full + torch.full_like(full, -math.inf).tril(-window)
    if not config.attention.documents:
        return Masks(full, windowed, causal=True)
    own = documents(config, tokens)
    others = own[:, None, :, None] != own[:, None, None, :]
    full, windowed = (mask.masked_fill(others, -math.inf) for mask in (full, windowed))
    return Masks(full, windowed, causal=False)


def of_new_tokens(
    config: Model, mask: Tensor, positions: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor]
) -> Masks:
    """The masks of tokens that follow others.

    Args:
        mask: (rows or 1, 1, time, length), -inf where a new token must not look.
        positions: of the new tokens, (rows or 1, time), and of all tokens, (rows or 1, length).
        own: the same for the numbers of their documents.
    """

    def apart(pair: tuple[Tensor, Tensor]) -> Tensor:
        new, all_ = pair
        return new[:, None, :, None] - all_[:, None, None, :]

    if config.attention.documents:
        mask = mask.masked_fill(apart(own) != 0, -math.inf)
    windowed, window = mask, _window(config)
    if window is not None:
        windowed = mask.masked_fill(apart(positions) >= window, -math.inf)
    return Masks(mask, windowed, causal=False)


def documents(config: Model, tokens: Tensor) -> Tensor:
    """The number of each token's document within its row, (rows, time).

    The last token of a document is the end of text.
    """
    ends = (tokens == config.end_of_text).long()
    return ends.cumsum(1) - ends


def _window(config: Model) -> int | None:
    """The window of the layers that have one. A window of the whole context is none."""
    window = config.attention.window
    return window if window is not None and window < config.context else None
