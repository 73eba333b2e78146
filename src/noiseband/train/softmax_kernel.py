"""A row's loss, and its gradient in the place of its logits, as one kernel of a GPU.

PyTorch's loss, compiled or not, passes over the logits several times. Here a row is read for its
maximum and sum, and once more, from the cache, for the gradient that takes its place. One program
has one row and walks through it in order, so that equal logits give equal bits.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 4096
"""Columns of a row at a time, 16 for each thread: few enough registers for several rows on one
multiprocessor. Fixed, since the order of a row's sum depends on it."""

WARPS = 8


@triton.jit  # type: ignore[untyped-decorator]
def _row(  # type: ignore[no-untyped-def]  # the compiler reads annotations as its own
    logits,
    targets,
    losses,
    factor,
    vocabulary: tl.constexpr,
    columns: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    line = logits + row * columns
    target = tl.load(targets + row).to(tl.int32)  # compared with each column: half the work
    of_target = tl.load(line + target).to(tl.float32)
    places = tl.arange(0, block)
    largest = float("-inf")
    total = 0.0
    for begin in range(0, columns, block):
        at = begin + places
        # Read to the end of the padding: a mask that ends at an odd column would have each
        # element fetched by itself.
        scores = tl.load(line + at, mask=at < columns, other=0.0).to(tl.float32)
        scores = tl.where(at < vocabulary, scores, float("-inf"))
        # What was summed up so far is brought to the new maximum.
        higher = tl.maximum(largest, tl.max(scores, axis=0))
        total = total * tl.exp(largest - higher) + tl.sum(tl.exp(scores - higher), axis=0)
        largest = higher
    tl.store(losses + row, largest + tl.log(total) - of_target)
    share = factor / total
    for begin in range(0, columns, block):
        at = begin + places
        scores = tl.load(line + at, mask=at < columns, other=0.0).to(tl.float32)
        softmax = tl.where(at < vocabulary, tl.exp(scores - largest) * share, 0.0)
        gradient = softmax - tl.where(at == target, factor, 0.0)
        tl.store(line + at, gradient, mask=at < columns)


def softmax_gradient(
    logits: Tensor, targets: Tensor, losses: Tensor, vocabulary: int, factor: float
) -> None:
    """Write each row's -log softmax[target] into `losses`, and `factor` times its gradient over
    the logits.

    Args:
        logits: (rows, columns) of any float type, contiguous. The columns from `vocabulary` on are
            no logits; they get a gradient of zero.
        targets: (rows,) int64.
        losses: (rows,) float32.
    """
    columns = logits.shape[1]
    block = min(BLOCK, triton.next_power_of_2(columns))
    _row[(len(logits),)](
        logits, targets, losses, factor, vocabulary, columns, block, num_warps=WARPS
    )
