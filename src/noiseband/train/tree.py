"""Sum of the slots' gradients in a fixed binary tree.

Floating-point addition is not associative, so the order of the sum is part of the result. The
tree depends on the number of slots alone; a process that owns a contiguous subtree computes
exactly that subtree's sum.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def leaves(slots: int) -> int:
    """Leaves of the tree: the largest power of two that divides `slots`."""
    return slots & -slots


def tree_sum(slots: range, per_leaf: int, grad: Tensor, backward: Callable[[int], None]) -> None:
    """Leave in `grad` the sum of the slots' gradients.

    Args:
        slots: the slots to sum, a power of two of whole leaves.
        per_leaf: consecutive slots folded in order inside one leaf (an odd number).
        grad: 1-D tensor that `backward` accumulates into.
        backward: runs one slot's forward and backward pass.

    At most log2(leaves) partial sums are held beside `grad`.
    """
    # A binary counter: after leaf i, merge as many pairs as i + 1 has trailing zero bits.
    partial: list[Tensor] = []
    count = len(slots) // per_leaf
    for leaf in range(count):
        grad.zero_()
        for slot in slots[leaf * per_leaf : (leaf + 1) * per_leaf]:
            backward(slot)
        finished = leaf + 1
        while finished % 2 == 0:
            # left + right: the earlier slots are the left operand.
            grad.copy_(partial.pop().add_(grad))
            finished //= 2
        if leaf + 1 < count:
            partial.append(grad.clone())
