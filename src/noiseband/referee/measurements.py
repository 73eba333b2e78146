"""Measurements: one value of each metric for each run, with the run's arm and seeds."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

SEEDS = ("init_seed", "data_seed", "train_seed")
"""Columns with the seeds of a run. A cell is text, or None if the run shares that seed with none.
"""


@dataclass(frozen=True, eq=False)
class Measurements:
    """The runs of a study, whoever trained them."""

    runs: pd.DataFrame
    """A row for each run: `run` and `arm` (text), the columns of `SEEDS`, `identity` (text that two
    runs share if they are the same run, or None), `place` (where the run was read), and a column of
    float64 for each metric, which is NaN or infinite if the run has no usable value."""
    metrics: tuple[str, ...]
    """The names of the metrics, in the order in which they were asked for."""
    notes: tuple[str, ...] = ()
    """Sentences about what was guessed or left out."""

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the order in which they first occur."""
        return list(dict.fromkeys(self.runs["arm"]))
