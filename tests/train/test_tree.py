"""Test the exact order of the sum over slots, on one process and on several."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from noiseband.train.tree import Tree, leaves


def gradients(count: int) -> list[Tensor]:
    """Gradients for which another order of the sum gives other last bits."""
    generator = torch.Generator().manual_seed(count)
    scale = 10.0 ** torch.randint(-3, 4, (count, 1), generator=generator)
    return list(torch.randn(count, 33, generator=generator) * scale)


def summed(slots: range, values: list[Tensor], most: int | None = None) -> Tensor:
    """The sum over some slots, by a tree for at most `most` of them."""
    total = torch.full((33,), torch.nan)
    into = [total]

    def collector(tensor: Tensor) -> Callable[[], None]:
        return lambda: into.append(tensor)

    def backward(slot: int) -> None:
        into[-1].add_(values[slot])

    tree = Tree(total, most or len(slots), collector)
    tree.sum_but_last(slots, backward)
    backward(slots[-1])
    tree.merge(slice(0, 10))
    tree.merge(slice(10, 33))
    return total


def by_definition(values: list[Tensor]) -> Tensor:
    """The sum by definition: halve while the count is even, then add the rest in order."""
    if len(values) % 2:
        total = torch.zeros(33)
        for value in values:
            total = total + value
        return total
    middle = len(values) // 2
    return by_definition(values[:middle]) + by_definition(values[middle:])


@given(st.integers(1, 48))
def test_the_sum_has_the_order_of_the_tree(count: int) -> None:
    values = gradients(count)
    found = summed(range(count), values)
    assert torch.equal(found, by_definition(values))


@given(st.integers(1, 12), st.integers(0, 3))
def test_a_tree_for_more_slots_sums_fewer(count: int, doublings: int) -> None:
    values = gradients(count)
    found = summed(range(count), values, most=count << doublings)
    assert torch.equal(found, by_definition(values))


@pytest.mark.bits
@given(st.sampled_from([8, 16, 24]), st.sampled_from([1, 2, 4, 8]))
def test_processes_that_own_subtrees_give_the_same_bits(count: int, processes: int) -> None:
    values, share = gradients(count), count // processes
    parts = [summed(range(p * share, (p + 1) * share), values) for p in range(processes)]
    while len(parts) > 1:
        parts = [left + right for left, right in zip(parts[::2], parts[1::2], strict=True)]
    assert torch.equal(parts[0], summed(range(count), values))


def test_pairs_of_single_slots_need_one_tensor_less() -> None:
    assert [leaves(slots) for slots in (1, 2, 4, 8, 6, 7, 12)] == [1, 1, 2, 4, 2, 1, 4]
    tree = Tree(torch.zeros(33), 8, lambda _: lambda: None)
    assert len(tree.sums) == 3  # and not the four of a tree over eight


def test_a_plain_running_sum_has_other_bits() -> None:
    values = gradients(16)
    running = torch.zeros(33)
    for value in values:
        running += value
    assert not torch.equal(running, summed(range(16), values))
