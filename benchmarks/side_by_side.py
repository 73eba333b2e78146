"""Let contenders take turns, so that a slow phase of a shared machine slows all of them.

Each contender is a separate process for the whole measurement, so that none profits or suffers from
another's memory. It works in blocks of steps and waits between them.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import torch


class Pace:
    """A contender calls `begin` once and `step` after each step; both wait for their turn.

    The first step of a turn is not timed, because others used the caches and the GPU before it.
    """

    def __init__(self, pipe: Connection, block: int) -> None:
        self.pipe = pipe
        self.block = block
        self.losses: list[float] = []

    def begin(self) -> None:
        self.pipe.recv()

    def step(self, loss: float) -> None:
        """Report that a step is over; `loss` is in nats."""
        self.losses.append(loss)
        if len(self.losses) == 1:
            self.faults = _page_faults()
            self.started = time.perf_counter()
        elif len(self.losses) == self.block + 1:
            seconds = time.perf_counter() - self.started
            faults = _page_faults() - self.faults
            if torch.cuda.is_available():
                torch.cuda.empty_cache()  # all contenders share one GPU
            self.pipe.send((seconds, faults, self.losses))
            self.losses = []
            self.begin()


Contender = Callable[[Pace], None]
"""A function that trains until its process is ended."""


@dataclass
class Measured:
    """The measurements of a contender's blocks, in the order of the rounds, without warm-up."""

    seconds: list[float] = field(default_factory=list)
    page_faults: list[int] = field(default_factory=list)
    """Minor page faults, when the system has to provide memory."""
    first_losses: list[float] = field(default_factory=list)
    """The losses of the steps, from the first step on."""


def measure(
    contenders: Mapping[str, Contender],
    rounds: int,
    block: int,
    warm_up: int = 2,
    until: float = math.inf,
    keep: Callable[[dict[str, Measured]], None] = lambda _: None,
) -> dict[str, Measured]:
    """Let every contender do a block in each round, with another order in each round.

    Args:
        contenders: picklable functions by name.
        rounds: measured ones, after `warm_up` others.
        block: timed steps in a round.
        until: the value of time.monotonic() by which the rounds after the first should end.
        keep: called after each round with the results so far, so that a measurement that is cut
            off loses only its last round.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    children = []
    names = list(contenders)
    for name, contender in contenders.items():
        pipes[name], other = context.Pipe()
        child = context.Process(target=_child, args=(contender, other, block), daemon=True)
        child.start()
        other.close()
        children.append(child)
    found = {name: Measured() for name in names}
    took = 0.0
    try:
        for number in range(-warm_up, rounds):
            began = time.monotonic()
            if number > 0 and began + took > until:
                break
            shift = number % len(names)
            for name in names[shift:] + names[:shift]:
                pipes[name].send("go")
                try:
                    seconds, faults, losses = pipes[name].recv()
                except EOFError:
                    raise SystemExit(f"{name} ended with the message above") from None
                if number == -warm_up:
                    found[name].first_losses = losses
                if number >= 0:
                    found[name].seconds.append(seconds)
                    found[name].page_faults.append(faults)
            took = time.monotonic() - began
            if number >= 0:
                keep(found)
            if sys.stderr.isatty():
                print(f"\rround {max(number + 1, 0)} of {rounds}", end="", file=sys.stderr)
    finally:
        if sys.stderr.isatty():
            print(file=sys.stderr)
        for child in children:
            child.kill()
            child.join()
    return found


def ratios(of: Measured, to: Measured) -> tuple[float, float, float]:
    """The speed of `of` as a multiple of that of `to`: median and quartiles over the rounds."""
    each = [b / a for a, b in zip(of.seconds, to.seconds, strict=True)]
    if len(each) == 1:
        each *= 2
    low, middle, high = statistics.quantiles(each, n=4, method="inclusive")
    return middle, low, high


def table(rows: Sequence[Sequence[str]]) -> str:
    """A text table with the first column aligned left and the others aligned right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _child(contender: Contender, pipe: Connection, block: int) -> None:
    contender(Pace(pipe, block))


def _page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
