"""The gradient of a step: the sum over all slots, on every process.

`Ordered` sums in a fixed binary tree, whose shape depends on the number of slots alone. A process
owns a contiguous subtree, so any power of two of processes gives the same bits. `AllReduce` is
what the published series did, DistributedDataParallel, and is here to be compared with.
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
"""Elements of the gradient that are reduced at once (16 MB): large enough to keep a network busy,
small enough that the first is under way while most of the backward pass is still to come."""


class Ordered:
    """Sums the slots of this process in its subtree, then joins the subtrees pair by pair.

    The last backward pass of a step completes the gradient from the last layer to the first; each
    bucket is finished and sent as soon as its gradient is complete. On CUDA that happens on a
    stream of its own, beside the backward pass.
    """

    def __init__(self, flat: FlatParameters, recipe: Recipe, processes: Processes) -> None:
        self.flat = flat
        self.processes = processes
        self.slots = processes.share(recipe.batch.slots)
        self.tree = Tree(flat.grad, len(self.slots), flat.collector)
        self.buckets: list[slice] = []
        if processes.count > 1:
            self._watch_parameters()

    def sum(self, backward: Backward) -> None:
        """Leave in `flat.grad` the sum of all slots' gradients, equal on every process."""
        self.tree.sum_but_last(self.slots, backward)
        if not self.buckets:
            backward(self.slots[-1])
            self.tree.merge(slice(None))
            return
        self.missing = [len(names) for names in self.needs]
        self.finished = 0
        backward(self.slots[-1])
        if self.stream is not None:
            torch.cuda.current_stream().wait_stream(self.stream)

    def _watch_parameters(self) -> None:
        """Cut the gradient into buckets and have autograd say when a parameter's is complete."""
        flat = self.flat
        size = len(flat.grad)
        count = max(1, size // BUCKET)
        # From the end: the order in which a backward pass completes them.
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
        """A parameter's gradient is there: finish every bucket whose turn has come."""
        if self.finished == len(self.buckets):
            return  # not the step's last backward pass
        for number in touched:
            self.missing[number] -= 1
        # In one order everywhere, for a process must meet its partner in the same bucket.
        while self.finished < len(self.buckets) and not self.missing[self.finished]:
            bucket = self.buckets[self.finished]
            self.finished += 1
            with self._beside():
                self.tree.merge(bucket)
                self._join(self.flat.grad[bucket])

    def _beside(self) -> AbstractContextManager[object]:
        """The stream for reductions, behind what the current one has queued."""
        if self.stream is None:
            return nullcontext()
        self.stream.wait_stream(torch.cuda.current_stream())
        return torch.cuda.stream(self.stream)

    def _join(self, part: Tensor) -> None:
        """Add up the processes' subtrees: recursive halving, then recursive doubling.

        At each level of the tree siblings swap halves and add, so that each goes on with the sum
        of half as many elements; on the way back they swap the finished sums. Each process sends
        2 (1 - 1/count) times the bucket, as in a ring, and only the top levels cross machines.
        A sum of two does not depend on which is left and which is right.
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
    """Sums slots one after another; DistributedDataParallel sums over processes, as it likes."""

    def __init__(
        self, flat: FlatParameters, recipe: Recipe, processes: Processes, objective: nn.Module
    ) -> None:
        self.flat = flat
        self.processes = processes
        self.slots = processes.share(recipe.batch.slots)
        self.parallel: DistributedDataParallel | None = None
        if processes.count > 1:
            self.parallel = DistributedDataParallel(objective)

    def sum(self, backward: Backward) -> None:
        """Leave in `flat.grad` the sum of all slots' gradients, equal on every process."""
        self.flat.grad.zero_()
        parallel = self.parallel
        for slot in self.slots:
            waits = parallel is not None and slot != self.slots[-1]
            with parallel.no_sync() if parallel and waits else nullcontext(), peers_alive():
                backward(slot)
        if parallel is not None:
            self.flat.grad.mul_(self.processes.count)  # it averages; a power of two is exact
