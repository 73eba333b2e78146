"""Which seeds runs share: the sources of noise that a study can tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from noiseband.stats.least_squares import Floats

NAMES = {"init_seed": "initial weights", "data_seed": "data order", "train_seed": "training"}
"""Columns with a seed, and the source of noise that each stands for."""


@dataclass(frozen=True, eq=False)
class Source:
    """A source of noise that some runs share."""

    name: str
    """Such as `initial weights`, or `initial weights and training` if both always vary together."""
    levels: Floats
    """Shape (runs, levels): 1 where a run has that seed, otherwise 0."""


def sources(table: pd.DataFrame) -> list[Source]:
    """The sources of noise in a table of runs, which may lack a column of `NAMES`.

    A seed that is equal in all runs has no scatter. A seed that no two runs share cannot be told
    from the rest and belongs to it. Seeds that always vary together are one source.
    """
    found: list[Source] = []
    for column, name in NAMES.items():
        if column not in table.columns:
            continue
        seeds = table[column].to_numpy()
        values = np.unique(seeds)
        if len(values) in (1, len(seeds)):
            continue
        # By first appearance, so that the numbers of the seeds do not matter.
        order = sorted(values, key=lambda value: int(np.argmax(seeds == value)))
        levels = (seeds[:, None] == np.array(order)).astype(np.float64)
        same = next((one for one in found if np.array_equal(one.levels, levels)), None)
        if same is None:
            found.append(Source(name, levels))
        else:
            found[found.index(same)] = Source(f"{same.name} and {name}", levels)
    return found
