"""A GPU kernel that computes the loss of each row and overwrites its logits with the gradient.

PyTorch's loss passes over the logits several times, compiled or not. This kernel reads a row once
for its maximum and sum, and a second time, from the cache, to write the gradient. One program
processes one row from left to right, so equal logits give equal bits.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from noiseband.study.loss import Loss

BLOCK = 4096
"""Columns that are processed at once, 16 for each thread, which leaves enough registers for several
rows on one multiprocessor. It is fixed because the order of a row's sum depends on it."""

WARPS = 8


@triton.jit  # type: ignore[untyped-decorator]
def _row(  # type: ignore[no-untyped-def]  # Triton gives annotations a meaning of its own
    logits,
    targets,
    losses,
    factor,
    smoothing: tl.constexpr,
    z_weight: tl.constexpr,
    vocabulary: tl.constexpr,
    columns: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    line = logits + row * columns
    target = tl.load(targets + row).to(tl.int32)  # int32 compares faster
    of_target = tl.load(line + target).to(tl.float32)
    places = tl.arange(0, block)
    largest = float("-inf")
    total = 0.0
    for begin in range(0, columns, block):
        at = begin + places
        # The padding is read too. With a mask that ends at an odd column, each element would be
        # loaded separately.
        scores = tl.load(line + at, mask=at < columns, other=0.0).to(tl.float32)
        scores = tl.where(at < vocabulary, scores, float("-inf"))
        # Rescale the sum so far to the new maximum.
        higher = tl.maximum(largest, tl.max(scores, axis=0))
        total = total * tl.exp(largest - higher) + tl.sum(tl.exp(scores - higher), axis=0)
        largest = higher
    tl.store(losses + row, largest + tl.log(total) - of_target)
    share = factor / total
    of_one = factor
    elsewhere = 0.0
    # Constants of the compiler, so that a kernel without these terms has nothing of them.
    if z_weight > 0.0:
        share = share * (1.0 + 2.0 * z_weight * (largest + tl.log(total)))
    if smoothing > 0.0:
        of_one = factor * (1.0 - smoothing)
        elsewhere = factor * (smoothing / vocabulary)
    for begin in range(0, columns, block):
        at = begin + places
        scores = tl.load(line + at, mask=at < columns, other=0.0).to(tl.float32)
        softmax = tl.where(at < vocabulary, tl.exp(scores - largest) * share, 0.0)
        gradient = softmax - tl.where(at == target, of_one, 0.0)
        if smoothing > 0.0:
            gradient = gradient - tl.where(at < vocabulary, elsewhere, 0.0)
        tl.store(line + at, gradient, mask=at < columns)


def softmax_gradient(
    logits: Tensor, targets: Tensor, losses: Tensor, vocabulary: int, factor: float, terms: Loss
) -> None:
    """Write each row's -log softmax[target] into `losses`, and overwrite the logits with `factor`
    times the gradient of what is minimised, which is the same and the further terms.

    Args:
        logits: (rows, columns) of any float type, contiguous. Columns from `vocabulary` on are
            padding and get a gradient of zero.
        targets: (rows,) int64.
        losses: (rows,) float32.
    """
    columns = logits.shape[1]
    block = min(BLOCK, triton.next_power_of_2(columns))
    _row[(len(logits),)](
        logits,
        targets,
        losses,
        factor,
        terms.label_smoothing,
        terms.z_loss,
        vocabulary,
        columns,
        block,
        num_warps=WARPS,
    )
