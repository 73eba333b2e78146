"""Microbatches from a memory-mapped token file, as a function of (step, slot) only."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from noiseband.corpus.token_file import check_tokens
from noiseband.errors import UserError
from noiseband.study.recipe import Recipe


class TokenWindow:
    """The training tokens of one run: contiguous sequences, targets shifted by one."""

    def __init__(self, tokens: NDArray[np.uint16], recipe: Recipe, device: torch.device) -> None:
        """Raises UserError if the split has too few tokens for the recipe."""
        if recipe.last_token > len(tokens):
            raise UserError(
                f"data.train_tokens={recipe.data.train_tokens}: the run reads to token "
                f"{recipe.last_token:,} but the training split has {len(tokens):,}; lower it"
            )
        self.tokens = tokens
        self.recipe = recipe
        self.device = device

    def batch(self, step: int, slot: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of one slot, int64, each (microbatch, context).

        Raises UserError for a token without an embedding. On a GPU such a token would end the
        process with a message about a kernel.
        """
        context, microbatch = self.recipe.model.context, self.recipe.batch.microbatch
        begin = self.recipe.data.start_token + step * self.recipe.tokens_per_step
        begin += slot * microbatch * context
        window = self.tokens[begin : begin + microbatch * context + 1].astype(np.int64)
        check_tokens(window, begin, self.recipe.model.vocabulary, "training")
        block = torch.from_numpy(window)
        if self.device.type == "cuda":
            # A copy from pinned memory is queued; any other copy would wait for the GPU.
            block = block.pin_memory().to(self.device, non_blocking=True)
        return block[:-1].view(microbatch, context), block[1:].view(microbatch, context)
