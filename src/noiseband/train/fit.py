"""Find the largest microbatch that fits a device by trying several."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noiseband.model.init import write_init
from noiseband.study.params import InitParams, TrainParams
from noiseband.study.recipe import Recipe
from noiseband.train.trial import Outcome, Request, trial


@dataclass(frozen=True)
class Candidate:
    """A microbatch that was tried."""

    recipe: Recipe
    outcome: Outcome | None
    """None if the microbatch does not fit."""


def with_microbatch(recipe: Recipe, microbatch: int) -> Recipe:
    """The same recipe with another microbatch; its global batch does not change."""
    batch = recipe.batch.model_copy(update={"microbatch": microbatch})
    return recipe.model_copy(update={"batch": batch})


def microbatches(recipe: Recipe, processes: int) -> list[int]:
    """Microbatches that give a number of slots divisible by `processes`, ascending."""
    smallest = recipe.batch.ramp.sequences or recipe.batch.sequences
    return [
        microbatch
        for microbatch in range(1, smallest + 1)
        if smallest % microbatch == 0 and smallest // microbatch % processes == 0
    ]


def fit(params: TrainParams, processes: int, limit: int | None) -> Iterator[Candidate]:
    """Try the recipe's own microbatch, then bisect: memory grows with the microbatch.

    Args:
        processes: number of processes that will share the slots; each trial runs in one process.
        limit: bytes of the device's memory that a trial may use; None for no limit.

    Raises:
        RuntimeError: a trial failed for a reason other than memory.
    """
    recipe = params.recipe
    sizes = microbatches(recipe, processes)
    start = InitParams.of(recipe)
    with tempfile.TemporaryDirectory(prefix="noiseband-fit-") as folder:
        init = Path(folder, "init.safetensors")
        write_init(start.model, start.method, start.seed, init, Path(folder, "init.json"))
        # All sizes before index `fits` fit; none from index `fails` on does.
        fits, fails = 0, len(sizes)
        place = sizes.index(recipe.batch.microbatch)
        while fits < fails:
            own = with_microbatch(recipe, sizes[place])
            given = params.model_copy(update={"recipe": own})
            outcome = trial(Request(params=given, init=init, limit=limit))
            yield Candidate(own, outcome)
            if outcome is None:
                fails = place
            else:
                fits = place + 1
            place = (fits + fails) // 2
