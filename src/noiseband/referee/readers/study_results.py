"""Read the results folder of a study of noiseband, also while the study is running."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from noiseband.errors import UserError
from noiseband.referee.judgement import some
from noiseband.referee.raw import Raw
from noiseband.referee.readers.tables import table
from noiseband.study.paths import Paths
from noiseband.study.runs import BASELINE
from noiseband.terminal import one_line

if TYPE_CHECKING:
    from noiseband.analysis.rows import RunRow

NEEDED = ("recipe.json", "model.json", "trace.parquet", "test_loss.json")
"""The files of a run that its row is made from."""
LOSS, BITS = "test_loss", "bits_per_byte"
COLUMNS = ("run", "arm", "init_seed", "data_seed", "train_seed", "digest", LOSS)


def run_folders(results: str) -> list[Path]:
    """The folders of the runs under a results folder, in order of name. A run has its recipe there
    as soon as it is trained."""
    pattern = Paths(Path(results)).run("*") / NEEDED[0]
    return sorted(file.parent for file in Path(results).glob(str(pattern.relative_to(results))))


def read_study(results: str, folders: Sequence[Path]) -> Raw:
    """A row for each finished run. The arm is its intervention, and the digest that of its weights.

    As in the study's own verdicts, repeats are left out, and so are twins: runs whose recipe
    differs from that of another only in the microbatch. A loss that is not finite is NaN. What the
    config alone says of a run, such as that its recipe is approximate, is not known here.

    Raises UserError if no run is finished, or a file is damaged.
    """
    from noiseband.analysis.inference import shared_recipe

    done = [folder for folder in folders if all((folder / one).exists() for one in NEEDED)]
    if not done:
        raise UserError(f"{results}: no run of this study is finished; read it again later")
    runs = sorted(map(_row, done), key=lambda row: (row.intervention != BASELINE, row.run))
    first: dict[tuple[object, ...], RunRow] = {}
    for row in runs:
        if row.repeat_of is None:
            first.setdefault((row.intervention, *shared_recipe(row)), row)
    rows = [
        [row.run, row.intervention, *row.seeds, row.weights_sha256, _number(row.value)]
        for row in first.values()
    ]
    made = table(rows, COLUMNS, [row.run for row in first.values()])
    bits = [row.bits_per_byte for row in first.values()]
    if any(one is not None for one in bits):
        made[BITS] = pd.Series(bits, made.index, dtype=object)
    left_out = [row.run for row in runs if row not in first.values()]
    waiting = [folder.name for folder in folders if folder not in done]
    metrics = [name for name in (LOSS, BITS) if name in made.columns]
    return Raw(results, made, "run", metrics, _notes(results, left_out, waiting))


def _row(folder: Path) -> RunRow:
    from noiseband.analysis.measurements import measured, values
    from noiseband.analysis.tables import run_row

    try:
        return replace(
            run_row(folder),
            value=values(measured(folder.parents[1], folder.name), LOSS).get(folder.name),
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{folder}: not what a run of a study writes ({type(error).__name__}: "
            f"{one_line(str(error))}); make the run again"
        ) from None


def _number(loss: float | None) -> float:
    return math.nan if loss is None else loss


def _notes(results: str, left_out: Sequence[str], waiting: Sequence[str]) -> tuple[str, ...]:
    notes = []
    if left_out:
        notes.append(f"{results}: {some(left_out)} left out: repeats and twins are no new evidence")
    if waiting:
        notes.append(f"{results}: {some(waiting)} left out: not finished")
    return tuple(notes)
