"""Sum of slots' gradients in a fixed binary tree.

Floating-point addition is not associative, so the order of the sum is part of the result. The
tree depends on the number of slots alone; a process that owns a contiguous subtree computes
exactly that subtree's sum.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def leaves(slots: int) -> int:
    """Parts of the tree whose slots add to one tensor in order.

    The largest power of two that divides `slots`; what is left, an odd number of slots, is folded
    in order inside each leaf. A tree over single slots has pairs at its ends instead: a pair's sum
    is one addition either way, and the second slot adds to the first one's gradient without a
    tensor of its own to be cleared, filled and joined.
    """
    parts = slots & -slots
    return parts // 2 if parts == slots > 1 else parts


class Tree:
    """Sums slots into `total`, holding at most log2(leaves) partial sums beside it."""

    def __init__(
        self, total: Tensor, slots: int, collector: Callable[[Tensor], Callable[[], None]]
    ) -> None:
        """
        Args:
            total: 1-D tensor for the result.
            slots: how many there are below this tree.
            collector: gives a function after whose call backward passes add to a tensor.
        """
        self.leaves = leaves(slots)
        self.per_leaf = slots // self.leaves
        depth = self.leaves.bit_length() - 1
        self.sums = [total, *(torch.empty_like(total) for _ in range(depth))]
        self.collect = [collector(one) for one in self.sums]

    def sum_but_last(self, slots: range, backward: Callable[[int], None]) -> None:
        """Run every slot but the last one, which shall add to the same place; `merge` is due then.

        Args:
            slots: the slots below this tree.
            backward: adds a slot's gradient to the tensor collected in.
        """
        open_sums = 0
        for leaf in range(self.leaves):
            self.sums[open_sums].zero_()
            self.collect[open_sums]()
            first = leaf * self.per_leaf
            if leaf == self.leaves - 1:
                for slot in slots[first:-1]:
                    backward(slot)
                return
            for slot in slots[first : first + self.per_leaf]:
                backward(slot)
            # A binary counter: after leaf i merge as many pairs as i + 1 has trailing zero bits.
            finished = leaf + 1
            while finished % 2 == 0:
                self._add(open_sums, slice(None))
                open_sums -= 1
                finished //= 2
            open_sums += 1

    def merge(self, where: slice) -> None:
        """Finish `total` in the elements `where`, once the last slot's gradient is there: the last
        leaf of a power of two completes every open pair."""
        for number in reversed(range(1, len(self.sums))):
            self._add(number, where)

    def _add(self, number: int, where: slice) -> None:
        """Join an open sum to the one before it. Which of two is left or right does not matter."""
        self.sums[number - 1][where].add_(self.sums[number][where])
