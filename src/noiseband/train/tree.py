"""The sum of the slots' gradients in a fixed binary tree.

Floating-point addition is not associative, so the order of the sum affects the result. The tree
depends only on the number of slots, and a process that owns a contiguous subtree computes exactly
the sum of that subtree.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def leaves(slots: int) -> int:
    """The number of leaves of the tree; the slots of a leaf add to one tensor in order.

    It is the largest power of two that divides `slots`, so that each leaf has an odd number of
    slots. If that number is one, a leaf has two slots instead. The sum of a pair is one addition
    either way, and the second slot then needs no tensor of its own.
    """
    parts = slots & -slots
    return parts // 2 if parts == slots > 1 else parts


class Tree:
    """Sums slots into `total`, with at most log2(leaves) partial sums in further tensors. Each step
    may have another number of slots."""

    def __init__(
        self, total: Tensor, slots: int, collector: Callable[[Tensor], Callable[[], None]]
    ) -> None:
        """
        Args:
            total: 1-D tensor for the result.
            slots: largest number of slots in this tree; smaller ones are it divided by a power of
                two.
            collector: for a tensor, returns a function that makes backward passes add to it.
        """
        self.depth = _depth(slots)
        """Number of partial sums that the last leaf of the current step completes."""
        self.sums = [total, *(torch.empty_like(total) for _ in range(self.depth))]
        self.collect = [collector(one) for one in self.sums]

    def sum_but_last(self, slots: range, backward: Callable[[int], None]) -> None:
        """Run every slot except the last one.

        The caller then runs the last slot, which adds to the same tensor, and calls `merge`.

        Args:
            slots: the slots of this tree.
            backward: adds a slot's gradient to the current tensor.
        """
        self.depth = _depth(len(slots))
        last, per_leaf = leaves(len(slots)) - 1, len(slots) // leaves(len(slots))
        open_sums = 0
        for leaf in range(last + 1):
            self.sums[open_sums].zero_()
            self.collect[open_sums]()
            first = leaf * per_leaf
            if leaf == last:
                for slot in slots[first:-1]:
                    backward(slot)
                return
            for slot in slots[first : first + per_leaf]:
                backward(slot)
            # A binary counter: after leaf i merge as many pairs as i + 1 has trailing zero bits.
            finished = leaf + 1
            while finished % 2 == 0:
                self._add(open_sums, slice(None))
                open_sums -= 1
                finished //= 2
            open_sums += 1

    def merge(self, where: slice) -> None:
        """Complete the elements `where` of `total` after the last slot has run.

        The number of leaves is a power of two, so the last leaf completes every open pair.
        """
        for number in reversed(range(1, self.depth + 1)):
            self._add(number, where)

    def _add(self, number: int, where: slice) -> None:
        """Add an open sum to the one before it. The order of the two does not matter."""
        self.sums[number - 1][where].add_(self.sums[number][where])


def _depth(slots: int) -> int:
    return leaves(slots).bit_length() - 1
