"""The gradient of a step: the sum over all slots, on every process.

`Ordered` sums in a fixed binary tree, and the shape of the tree depends only on the number of
slots. Each process owns a contiguous subtree, so any power of two of processes gives the same bits.
`AllReduce` uses DistributedDataParallel, as the published series did, and is for comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from noiseband.study.recipe import Recipe
from noiseband.train.flat import FlatParameters
from noiseband.train.launch.processes import Processes, peers_alive
from noiseband.train.tree import Tree

Backward = Callable[[int], None]
"""Runs one slot's forward and backward pass."""

BUCKET = 2**22
"""Elements of the gradient that are reduced at once (16 MB). This is large enough to keep a network
busy, and small enough that the first bucket is sent early in the backward pass."""


class Ordered:
    """Sums the slots of this process in its subtree, then joins the subtrees pair by pair.

    The last backward pass of a step completes the gradient from the last layer to the first; each
    bucket is summed and sent as soon as its gradient is complete. On CUDA this runs on a separate
    stream, in parallel with the backward pass.
    """

    def __init__(self, flat: FlatParameters, recipe: Recipe, processes: Processes) -> None:
        self.flat = flat
        self.processes = processes
        self.tree = Tree(flat.grad, len(processes.share(recipe.batch.slots)), flat.collector)
        self.buckets: list[slice] = []
        if processes.count > 1:
            self._watch_parameters()

    def sum(self, slots: range, backward: Backward) -> None:
        """Leave in `flat.grad` the sum of all slots' gradients, equal on every process.

        Args:
            slots: the slots of this process.
            backward: adds a slot's gradient.
        """
        self.tree.sum_but_last(slots, backward)
        if not self.buckets:
            backward(slots[-1])
            self.tree.merge(slice(None))
            return
        self.missing = [len(names) for names in self.needs]
        self.finished = 0
        backward(slots[-1])
        while self.finished < len(self.buckets):
            self._reduce_next()  # with a parameter that this pass did not use
        if self.stream is not None:
            torch.cuda.current_stream().wait_stream(self.stream)

    def _watch_parameters(self) -> None:
        """Cut the gradient into buckets, and register a hook for each complete parameter."""
        flat = self.flat
        size = len(flat.grad)
        count = max(1, size // BUCKET)
        # From the end, because a backward pass completes the buckets in this order.
        self.buckets = [
            slice(size * i // count, size * (i + 1) // count) for i in reversed(range(count))
        ]
        self.received = torch.empty(max(b.stop - b.start for b in self.buckets), device=flat.device)
        self.stream = None
        if flat.device.type == "cuda":
            self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.finished = len(self.buckets)
        self.needs: list[set[str]] = [set() for _ in self.buckets]
        for name, (where, _) in flat.owned.items():
            touched = [
                number
                for number, bucket in enumerate(self.buckets)
                if where.start < bucket.stop and bucket.start < where.stop
            ]
            for number in touched:
                self.needs[number].add(name)
            watch = flat.parameters[name].register_post_accumulate_grad_hook
            watch(lambda _, touched=touched: self._completed(touched))  # type: ignore[no-untyped-call]

    def _completed(self, touched: list[int]) -> None:
        """Note that a parameter's gradient is complete, and reduce the next complete buckets."""
        if self.finished == len(self.buckets):
            return  # not the step's last backward pass
        for number in touched:
            self.missing[number] -= 1
        # All processes use the same order, because partners must swap the same bucket.
        while self.finished < len(self.buckets) and not self.missing[self.finished]:
            self._reduce_next()

    def _reduce_next(self) -> None:
        """Sum the next bucket over the tree and the processes."""
        bucket = self.buckets[self.finished]
        self.finished += 1
        with self._on_reduction_stream():
            self.tree.merge(bucket)
            self._join(self.flat.grad[bucket])

    def _on_reduction_stream(self) -> AbstractContextManager[object]:
        """Switch to the stream for reductions, after the work queued on the current stream."""
        if self.stream is None:
            return nullcontext()
        self.stream.wait_stream(torch.cuda.current_stream())
        return torch.cuda.stream(self.stream)

    def _join(self, part: Tensor) -> None:
        """Add up the processes' subtrees: recursive halving, then recursive doubling.

        At each level of the tree, siblings swap halves and add them, so that each continues with
        the sum of half as many elements. On the way back they swap the finished sums. Each process
        sends 2 (1 - 1/count) times the bucket, as in a ring, and only the top levels cross
        machines. The sum of two tensors does not depend on their order.
        """
        halves: list[tuple[int, Tensor, Tensor]] = []
        distance = 1
        while distance < self.processes.count:
            partner = self.processes.rank ^ distance
            middle = len(part) // 2
            low, high = part[:middle], part[middle:]
            mine, other = (low, high) if self.processes.rank < partner else (high, low)
            received = self.received[: len(mine)]
            self.processes.exchange(partner, other, received)
            mine.add_(received)
            halves.append((partner, mine, other))
            part, distance = mine, distance * 2
        for partner, mine, other in reversed(halves):
            self.processes.exchange(partner, mine, other)


class AllReduce:
    """Sums slots one after another; DistributedDataParallel sums over processes in any order."""

    def __init__(self, flat: FlatParameters, processes: Processes, objective: nn.Module) -> None:
        self.flat = flat
        self.processes = processes
        self.parallel: DistributedDataParallel | None = None
        if processes.count > 1:
            self.parallel = DistributedDataParallel(objective)

    def sum(self, slots: range, backward: Backward) -> None:
        """The same as `Ordered.sum`."""
        self.flat.grad.zero_()
        parallel = self.parallel
        for slot in slots:
            waits = parallel is not None and slot != slots[-1]
            with parallel.no_sync() if parallel and waits else nullcontext(), peers_alive():
                backward(slot)
        if parallel is not None:
            self.flat.grad.mul_(self.processes.count)  # DDP averages; times a power of two is exact
