"""The test window: a fixed segment of tokens, split into whole batches of one shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from noiseband.corpus.token_file import Tokens
from noiseband.errors import UserError
from noiseband.study.config import Evaluation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Window:
    """Contiguous sequences; the targets are the same tokens, shifted by one."""

    tokens: Tokens
    """Shape (n + 1,): n inputs, and one more token for the last target."""
    batch: int
    context: int
    filling: int = 0
    """How many of the last tokens only fill the last batch."""

    @property
    def targets(self) -> Tokens:
        """The tokens that are predicted."""
        return self.tokens[1 : len(self.tokens) - self.filling]

    @property
    def batches(self) -> int:
        return (len(self.tokens) - 1) // (self.batch * self.context)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets of each batch, int64, both (batch, context), on the CPU."""
        import torch  # contamination is counted in a window without it

        size = self.batch * self.context
        for begin in range(0, size * self.batches, size):
            block = torch.from_numpy(self.tokens[begin : begin + size + 1].astype(np.int64))
            yield block[:-1].view(self.batch, -1), block[1:].view(self.batch, -1)


def cut_window(
    tokens: Tokens, protocol: Evaluation, context: int, end_of_text: int | None = None
) -> Window:
    """The window of the split `tokens`, shape (any,), rounded down to whole batches.

    If the protocol's unit is bits per byte, the window is the whole split. Its first token is
    predicted from end-of-text, as the first one of any other document is, and the last batch is
    filled with end-of-text.

    Raises UserError if the window has no whole batch or extends beyond the split.
    """
    if protocol.in_bits:
        window_targets(len(tokens), protocol, context)
        filling = -len(tokens) % (protocol.batch * context)
        assert end_of_text is not None  # Only windows of tokens are cut without it.
        end = np.array([end_of_text], tokens.dtype)
        whole = np.concatenate([end, tokens, np.repeat(end, filling)])
        return Window(whole, protocol.batch, context, filling)
    start, count = protocol.start_token, window_targets(len(tokens), protocol, context)
    return Window(tokens[start : start + count + 1], protocol.batch, context)


def first_target(protocol: Evaluation) -> int:
    """Place in the split of the first token that is predicted."""
    return 0 if protocol.in_bits else protocol.start_token + 1


def window_targets(there: int, protocol: Evaluation, context: int) -> int:
    """The number of tokens that are predicted in the window of a split of `there` tokens.

    Raises UserError if the window has no whole batch or extends beyond the split.
    """
    if protocol.in_bits:
        if not there:
            raise UserError(f"evaluation.split={protocol.split}: has no tokens; give it documents")
        return there
    start, size = protocol.start_token, protocol.batch * context
    # The last target is the token after the last input.
    available = max(there - start - 1, 0)
    wanted = available if protocol.tokens is None else protocol.tokens
    count = wanted // size * size
    have = f"the {protocol.split} split has {there:,} tokens, {available:,} to predict from there"
    if count == 0:
        raise UserError(
            f"evaluation.tokens={protocol.tokens} from evaluation.start_token={start} is less than "
            f"a batch of evaluation.batch={protocol.batch} x context {context} = {size:,} tokens "
            f"({have}); lower the batch or the start, or take more tokens"
        )
    if count > available:
        raise UserError(
            f"evaluation.tokens={protocol.tokens} from evaluation.start_token={start} extends "
            f"beyond the end ({have}); lower one of them"
        )
    return count
