"""Microbatches from a memory-mapped token file, as a function of (step, slot) only."""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from noiseband.corpus.reading_order import ReadingOrder
from noiseband.corpus.token_file import Tokens, check_tokens
from noiseband.errors import UserError
from noiseband.study.recipe import Recipe

BLOCK = 4096
"""Number of places that are computed together, because one call takes as long for a few. Their
sequences take 32 KB."""


class TokenWindow:
    """The training tokens of one run, in sequences of the model's context. The targets of a
    sequence are the same tokens, shifted by one."""

    def __init__(self, tokens: Tokens, recipe: Recipe, device: torch.device) -> None:
        """Cut the window out of the training split, or out of its packed rows, shape (n,).

        Raises UserError if there are too few tokens for the recipe.
        """
        context = recipe.model.context
        there = len(tokens) if recipe.packed is None else len(tokens) // (context + 1) * context
        if recipe.last_token > there:
            what = "training split has" if recipe.packed is None else "packed sequences have"
            raise UserError(
                f"data.train_tokens={recipe.data.train_tokens}: the run reads to token "
                f"{recipe.last_token:,} but the {what} {there:,}; lower it"
            )
        self.recipe = recipe
        self.device = device
        self.stride = context if recipe.packed is None else context + 1
        """Tokens from the start of a sequence to that of the next one: contiguous sequences share
        a token, the last target of one and the first input of the other."""
        start = recipe.data.start_token
        self.first = start if recipe.packed is None else start // context * self.stride
        """Where the window starts in the file."""
        size = (recipe.sequences - 1) * self.stride + context + 1
        window = np.asarray(tokens[self.first : self.first + size])
        self.sequences = sliding_window_view(window, context + 1)[:: self.stride]
        """A view of the file, shape (sequences, context + 1): each sequence with its last target.
        """
        self.order = ReadingOrder(recipe)
        self.batches = recipe.batches
        size = recipe.batch.sequences
        self.block = max(1, BLOCK // size) * size
        """Number of places that are computed together: whole batches, so that no slot is in two
        blocks."""
        self.computed: tuple[int, NDArray[np.int64]] | None = None
        """The number of the last such block, and its sequences. It only saves time."""

    def batch(self, step: int, slot: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of one slot, int64, each (microbatch, context).

        Raises UserError for a token without an embedding. On a GPU such a token would end the
        process with a message about a kernel.
        """
        chosen = self.chosen(step, slot)
        read = self.sequences[chosen]
        if read.max() >= self.recipe.model.vocabulary:
            self._complain(chosen, read)
        block = torch.from_numpy(np.stack([read[:, :-1], read[:, 1:]]).astype(np.int64))
        if self.device.type == "cuda":
            # A copy from pinned memory is queued; any other copy would wait for the GPU.
            block = block.pin_memory().to(self.device, non_blocking=True)
        return block[0], block[1]

    def chosen(self, step: int, slot: int) -> NDArray[np.int64]:
        """Return the numbers of the window's sequences that one slot reads, (microbatch,)."""
        size = self.recipe.batch.microbatch
        begin = self.batches.before(step) + slot * size
        if not self.order.shuffled:
            return self.order(np.arange(begin, begin + size))
        number, place = divmod(begin, self.block)
        if self.computed is None or self.computed[0] != number:
            first = number * self.block
            stop = min(first + self.block, self.order.places)
            self.computed = number, self.order(np.arange(first, stop))
        return self.computed[1][place : place + size]

    def _complain(self, chosen: NDArray[np.int64], read: Tokens) -> None:
        """Raise UserError for the first token without an embedding."""
        what = "training" if self.recipe.packed is None else "packed training"
        for number, sequence in zip(chosen.tolist(), read, strict=True):
            begin = self.first + number * self.stride
            check_tokens(sequence, begin, self.recipe.model.vocabulary, what)
