"""Send the traces of a study's runs to a tracker, whether they are finished or still growing.

The traces are read from disk, so that training does not depend on trackers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.io.series import read_log, read_series
from noiseband.io.traces import OPTIONAL, Row, read_rows
from noiseband.study import Run, Study
from noiseband.study.command_params import TRACE, trainer_of
from noiseband.study.free_recipe import CommandRecipe
from noiseband.study.section import flatten
from noiseband.tracking.running import last_row, made_by

SHOWN = ("loss", "learning_rate", "gradient_norm", "clipped", "skipped")
"""The columns of a trace that are sent; yes and no become 1 and 0."""

Log = Callable[[int, dict[str, float]], None]
"""A function that takes a step, counted from 0, and its values."""


class Tracker(Protocol):
    """An adapter to one tracker."""

    def __call__(
        self, study: str, run: str, recipe: dict[str, Any], folder: Path
    ) -> AbstractContextManager[Log]:
        """Open a new or existing run until the context ends.

        `recipe` is flat. `folder` is for the files that the tracker keeps on this machine.
        """


def track(study: Study, tracker: Tracker, folder: Path) -> dict[str, int]:
    """Send the steps that have not been sent before; return the number of new steps of each run.

    Runs are called `<run>-<8 digits of the recipe's digest>`. A run that resumes after a kill
    repeats the same steps, so only the number of steps already sent is kept, in `sent.json`. If
    `folder` is removed, everything is sent again.
    """
    memory = folder / "sent.json"
    try:
        sent: dict[str, int] = json.loads(memory.read_bytes()) if memory.exists() else {}
    except ValueError as error:
        raise UserError(f"{memory}: not JSON ({error}); remove it to send all again") from error
    new: dict[str, int] = {}
    for run in study.runs.values():
        name = f"{run.name}-{run.recipe.digest[:8]}"
        before = sent.get(name, 0)
        rows = list(islice(_steps(study, run), before, None))
        if not rows:
            continue
        with tracker(study.config.study, name, flatten(run.recipe.model_dump()), folder) as log:
            for step, values in rows:
                log(step, values)
        new[run.name] = len(rows)
        sent[name] = before + len(rows)
        write_json(memory, sent, checksum=False)
    return new


def _steps(study: Study, run: Run) -> Iterator[tuple[int, dict[str, float]]]:
    """The steps of a run so far, each with its values."""
    if not isinstance(run.recipe, CommandRecipe):
        yield from ((row.step, _shown(row)) for row in _rows(study, run))
        return
    name = trainer_of(study).outputs.trace
    folder = study.paths.run(run.name)
    if name is None:
        return
    try:
        finished = made_by(folder, run)
        growing = study.paths.training(run.name, run.recipe) / "out" / name
        steps, series = read_series(folder / TRACE) if finished else read_log(growing)
    except (FileNotFoundError, UserError):
        return  # not there yet, or in the middle of a line
    for place, step in enumerate(steps):
        values = {column: values[place] for column, values in series.items()}
        yield step, {column: value for column, value in values.items() if math.isfinite(value)}


def _shown(row: Row) -> dict[str, float]:
    values = {column: float(getattr(row, column)) for column in SHOWN}
    for column in OPTIONAL.names:
        if (value := getattr(row, column)) is not None:
            values[column] = float(value)
    return values


def _rows(study: Study, run: Run) -> Iterator[Row]:
    """The steps of a run so far, from its trace or from the growing one in its work folder."""
    folder = study.paths.run(run.name)
    if made_by(folder, run) and (folder / "trace.parquet").exists():
        yield from read_rows(folder / "trace.parquet")
        return
    growing = study.paths.training(run.name, run.recipe) / "trace.jsonl"
    last = last_row(growing)
    if last is None:
        return
    with open(growing, "rb") as file:
        # Rows after the last whole row are not read.
        for line in islice(file, last["step"] + 1):
            try:
                row = Row(**json.loads(line))
                _shown(row)
            except (ValueError, TypeError, RecursionError):
                return  # a later start writes a damaged row, and all after it, again
            yield row
