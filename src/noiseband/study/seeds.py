"""The seeds of a run, and how they are written in a config."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field

from noiseband.study.section import Seed

WrittenSeeds = Seed | Annotated[list[Seed], Field(min_length=2, max_length=3)]
"""One seed for everything, `[init_seed, train_seed]`, or `[init_seed, data_seed, train_seed]`."""


class RunSeeds(NamedTuple):
    """The seeds of one run, by source of randomness."""

    init_seed: int
    """Seed of the initial weights."""
    data_seed: int
    """Seed of the order of the data."""
    train_seed: int
    """Seed of everything after initialisation except the order of the data: dropout."""

    @property
    def written(self) -> int | list[int]:
        """The seeds in the shortest form that a config accepts."""
        if self.data_seed != self.train_seed:
            return list(self)
        if self.init_seed != self.train_seed:
            return [self.init_seed, self.train_seed]
        return self.init_seed

    @property
    def suffix(self) -> str:
        """The end of a run's name: `42`, `42-23` or `42-7-23`, as the seeds are written."""
        written = self.written
        return "-".join(map(str, [written] if isinstance(written, int) else written))


def run_seeds(written: WrittenSeeds) -> RunSeeds:
    """Return the three seeds. In a pair, the data_seed is the train_seed: the pair separates the
    initial weights from everything else."""
    if isinstance(written, int):
        return RunSeeds(written, written, written)
    if len(written) == 2:
        init_seed, train_seed = written
        return RunSeeds(init_seed, train_seed, train_seed)
    return RunSeeds(*written)


def _seeds(value: Any) -> Any:
    if not isinstance(value, list) or not all(_are_seeds(one) for one in value):
        raise ValueError(
            "should be a list of seeds, such as [42, 22]; a seed is a whole number of at least 0, "
            "or [init_seed, train_seed], or [init_seed, data_seed, train_seed]"
        )
    return value


def _are_seeds(value: Any) -> bool:
    numbers = value if isinstance(value, list) and len(value) in (2, 3) else [value]
    return all(type(one) is int and one >= 0 for one in numbers)


Seeds = Annotated[list[WrittenSeeds], BeforeValidator(_seeds)]
"""The seeds of one intervention."""
