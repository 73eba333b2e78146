"""How the batch grows at the beginning of a run, and which sequences each step reads."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from noiseband.study.section import ADDED, Fraction, Positive, Section


class Ramp(Section):
    """Smaller batches at the beginning of a run. The batch doubles until it has all its slots."""

    sequences: Annotated[Positive | None, ADDED] = None
    """Sequences in the first step: `batch.sequences` divided by a power of two, in whole
    microbatches. Null means that every step has all sequences."""
    share: Annotated[Fraction, ADDED] = 0.2
    """Share of the training tokens over which the batch grows. Each smaller batch reads an equal
    part of them, rounded down to whole steps."""


class Stage(NamedTuple):
    """Steps with equal batches."""

    step: int
    """The first of these steps, counted from 0."""
    sequence: int
    """The first sequence that it reads, counted from the run's first."""
    size: int
    """Sequences in each step."""


@dataclass(frozen=True)
class Batches:
    """The batches of a run."""

    stages: tuple[Stage, ...]
    """In order; the last one has the full batch."""
    steps: int
    """Number of optimiser steps."""

    @classmethod
    def of(cls, sequences: int, size: int, ramp: Ramp) -> Batches:
        """The batches that read at least `sequences` sequences, with `size` in a full batch."""
        stages, step, read = [], 0, 0
        smallest = ramp.sequences or size
        count = (size // smallest).bit_length() - 1
        for number in range(count):
            small = smallest << number
            steps = int(ramp.share * sequences / count) // small
            if steps:
                stages.append(Stage(step, read, small))
            step, read = step + steps, read + steps * small
        stages.append(Stage(step, read, size))
        return cls(tuple(stages), step - (read - sequences) // size)

    @property
    def grow(self) -> bool:
        """Whether some steps have smaller batches."""
        return len(self.stages) > 1

    def size(self, step: int) -> int:
        """The number of sequences in a step."""
        return self._stage(step).size

    def before(self, step: int) -> int:
        """The number of sequences that all steps before `step` read."""
        stage = self._stage(step)
        return stage.sequence + (step - stage.step) * stage.size

    def _stage(self, step: int) -> Stage:
        return self.stages[bisect_right(self.stages, step, key=lambda stage: stage.step) - 1]
