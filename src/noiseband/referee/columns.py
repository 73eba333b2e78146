"""Find out which columns are the arm, the seeds and the metrics, and what a run's value is.

A column that is not named is guessed only where one guess is possible, and a note says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from noiseband.errors import UserError, nearest
from noiseband.referee.direction import direction
from noiseband.referee.measurements import SEEDS, Measurements
from noiseband.referee.raw import Raw

ARM = ("arm", "intervention")
RUN = ("run", "run_name", "Name")
STEP = ("step", "_step", "Step", "global_step")
IDENTITY = ("digest", "sha256", "weights_sha256")
LOSSES = ("test_loss", "loss")
"""The metric if there is only one of them and no other is named."""
NO_METRIC = {*ARM, *RUN, *STEP, *IDENTITY, *SEEDS, "seed", "epoch", "_timestamp", "_runtime",
             "timestamp", "time", "wall_time", "Created", "Runtime"}  # fmt: skip
"""Columns that are never taken for a metric unless they are named."""
ONE_ARM = "all runs"
"""The arm of a table without arms, which can only be compared with a target."""


@dataclass(frozen=True)
class Choice:
    """What the user says about the columns. None is to be guessed."""

    metrics: Sequence[str] = ()
    arm: str | None = None
    """Column of the arm."""
    take: str = "last"
    """Of several steps of a run: `last`, `best`, or `mean:K` of the last K."""
    better: str | None = None
    """`lower` or `higher`, for the best; None if the metric's name says it."""
    needs_arm: bool = True
    """Whether a table without an arm is an error."""


@dataclass
class _Notes:
    """Sentences, each once."""

    found: dict[str, None] = field(default_factory=dict)

    def say(self, sentence: str) -> None:
        self.found.setdefault(sentence)


def measurements(files: Sequence[Raw], choice: Choice) -> Measurements:
    """The measurements in the rows of some files.

    Raises UserError, with file and row, for an arm, metric or seed that is missing, and for text
    where a number belongs.
    """
    if choice.take not in ("last", "best"):
        _steps(choice.take)
    notes = _Notes()
    for file in files:
        for note in file.notes:
            notes.say(note)
    tables = [_long_to_wide(file) for file in files]
    names = _metrics(tables, choice, notes)
    parts = [_runs(table, names, choice, notes) for table in tables]
    runs = pd.concat(parts, ignore_index=True)
    if runs.empty:
        raise UserError(f"{_list(files)}: no run in it; give a file with one row for each run")
    return Measurements(_unique(runs), tuple(names), tuple(notes.found))


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)|nan", re.IGNORECASE)


def number(cell: Any) -> float | None:
    """A cell as a number; None for an empty cell. Raises ValueError for any other text."""
    if isinstance(cell, str):
        text = cell.strip()
        if text and not NUMBER.fullmatch(text):
            raise ValueError(text)
        return float(text) if text else None
    if isinstance(cell, bool):
        raise ValueError(str(cell))
    return None if cell is None else float(cell)


def _is_numeric(column: pd.Series) -> bool:
    """Whether the column has a number, and no text that is none."""
    try:
        return sum(number(cell) is not None for cell in column) > 0
    except (ValueError, TypeError):
        return False


def _long_to_wide(file: Raw) -> Raw:
    """Turn rows of one metric each, with columns `metric` and `value`, into rows of a run."""
    table = file.table
    if not {"metric", "value"} <= set(table.columns):
        return file
    keys = [name for name in table.columns if name not in ("metric", "value")]
    if not keys:
        raise UserError(f"{file.file}: no column besides metric and value; add `run` or `arm`")
    wide: dict[tuple[Any, ...], dict[str, Any]] = {}
    rows: dict[tuple[Any, ...], Any] = {}
    for place, row in zip(table.index, table.to_dict("records"), strict=True):
        key = tuple(row[name] for name in keys)
        metric = str(row["metric"])
        if metric in wide.setdefault(key, {}):
            raise UserError(
                f"{file.place(place)}: a second {metric} of the same run; remove one, or add a "
                "column that tells the runs apart (run, seed or step)"
            )
        wide[key][metric] = row["value"]
        rows.setdefault(key, place)
    metrics = list(dict.fromkeys(name for row in wide.values() for name in row))
    cells = [[*key, *(row.get(name) for name in metrics)] for key, row in wide.items()]
    made = pd.DataFrame(cells, columns=[*keys, *metrics], index=list(rows.values()), dtype=object)
    return Raw(file.file, made, file.unit, metrics, file.notes)


def _metrics(files: Sequence[Raw], choice: Choice, notes: _Notes) -> list[str]:
    """The names of the metrics: those that were asked for, or the only one there is."""
    there = list(dict.fromkeys(name for file in files for name in file.table.columns))
    for name in choice.metrics:
        for file in files:
            if name not in file.table.columns:
                raise UserError(
                    f"{file.file}: no column {name}; {nearest(name, map(str, file.table.columns))}"
                )
    if choice.metrics:
        return list(choice.metrics)
    possible = [
        name
        for name in there
        if name not in NO_METRIC
        and name != choice.arm
        and all(name in file.table.columns for file in files)
        and all(file.metrics is None or name in file.metrics for file in files)
    ]
    losses = [name for name in LOSSES if name in possible]
    if len(losses) == 1:
        if len(possible) > 1:
            notes.say(f"the metric is {losses[0]}; --metric names another")
        return losses
    numeric = [name for name in possible if all(_is_numeric(f.table[name]) for f in files)]
    if len(numeric) == 1:
        notes.say(f"the metric is {numeric[0]}, the only column of numbers")
        return numeric
    if not numeric:
        raise UserError(
            f"{_list(files)}: no column of numbers that all files have; name one with --metric "
            f"(columns: {', '.join(map(str, there))})"
        )
    raise UserError(
        f"{_list(files)}: several columns of numbers; name one with --metric: {', '.join(numeric)}"
    )


def _runs(file: Raw, metrics: Sequence[str], choice: Choice, notes: _Notes) -> pd.DataFrame:
    """The runs of one file."""
    table = file.table
    arm = _column(file, (choice.arm,) if choice.arm else ARM)
    if arm is None and choice.arm:
        raise UserError(
            f"{file.file}: no column {choice.arm}; {nearest(choice.arm, map(str, table.columns))}"
        )
    if arm is None and choice.needs_arm:
        raise UserError(
            f"{file.file}: no column arm or intervention; name the column with --arm, or give the "
            f"path with --arm-from-path (columns: {', '.join(map(str, table.columns))})"
        )
    nothing = [None] * len(table)
    cells: dict[str, list[Any]] = {
        "arm": [ONE_ARM] * len(table) if arm is None else _texts(file, arm)
    }
    sources = {column: _column(file, (column, "seed")) for column in SEEDS}
    seeds = {one: _seeds(file, one) for one in {*sources.values()} if one is not None}
    cells |= {column: nothing if one is None else seeds[one] for column, one in sources.items()}
    identity = _column(file, IDENTITY)
    cells["identity"] = nothing if identity is None else [*map(_text, table[identity])]
    cells |= {metric: _numbers(file, metric) for metric in metrics}
    run = _column(file, RUN)
    step = _column(file, STEP)
    cells["place"] = [file.place(place) for place in table.index]
    # Without a column for the run, a row is one; with steps, the file is.
    named = nothing if run is None else [_text(cell) for cell in table[run]]
    others = cells["place"] if step is None else [file.file] * len(table)
    cells["run"] = [name or other for name, other in zip(named, others, strict=True)]
    if step is not None:
        cells = _by_run(cells, _numbers(file, step), metrics, choice)
        if len(cells["run"]) < len(table):
            notes.say(f"of several steps of a run, {_said(choice.take)} counts (--take)")
    made = pd.DataFrame(cells, dtype=object)
    made[[*metrics]] = made[[*metrics]].astype("float64")
    return made


def _by_run(
    cells: dict[str, list[Any]],
    steps: Sequence[float | None],
    metrics: Sequence[str],
    choice: Choice,
) -> dict[str, list[Any]]:
    """One row for each run, with one value of each metric out of those of its steps."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    keys = zip(*(cells[name] for name in ("run", "arm", *SEEDS)), strict=True)
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    order = [0.0 if step is None else step for step in steps]
    found = [sorted(some, key=order.__getitem__) for some in rows.values()]
    kept = {name: [values[some[-1]] for some in found] for name, values in cells.items()}
    for metric in metrics:
        values = cells[metric]
        there = [[values[row] for row in some if values[row] is not None] for some in found]
        kept[metric] = [_taken(some, metric, choice) for some in there]
    return kept


def _taken(values: Sequence[float], metric: str, choice: Choice) -> float | None:
    """One value out of those of a run's steps, in order; None if there are none."""
    if not values:
        return None
    if choice.take == "last":
        return values[-1]
    if choice.take == "best":
        # A step that is not finite is no best one.
        finite = [value for value in values if math.isfinite(value)] or values
        return min(finite) if direction(metric, choice.better) == "lower" else max(finite)
    last = values[-_steps(choice.take) :]
    return math.fsum(last) / len(last)


def _steps(take: str) -> int:
    """The K of `mean:K`. Raises UserError for any other text."""
    found = re.fullmatch(r"mean:([1-9]\d*)", take)
    if found is None:
        raise UserError(
            f"--take {take}: use last, best, or mean:K for the mean of the last K steps"
        )
    return int(found[1])


def _said(take: str) -> str:
    return f"the {take}" if take in ("last", "best") else f"the mean of the last {_steps(take)}"


def _column(file: Raw, names: Sequence[str | None]) -> str | None:
    """The first of the names that is a column."""
    return next((name for name in names if name in file.table.columns), None)


def _text(cell: Any) -> str | None:
    """A cell as text that can be written to any file; None if it is empty."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    # JSON can hold half a surrogate pair, which is not a character.
    return str(cell).strip().encode("utf-8", "backslashreplace").decode() or None


def _texts(file: Raw, column: str) -> list[str]:
    found = [_text(cell) for cell in file.table[column]]
    for place, text in zip(file.table.index, found, strict=True):
        if text is None:
            raise UserError(f"{file.place(place)}: {column} is empty; write the run's arm there")
    return [text for text in found if text is not None]


def _seeds(file: Raw, column: str) -> list[str | None]:
    """Seeds as text, in which `42`, `042` and `42.0` are equal."""
    found: list[str | None] = []
    for cell in file.table[column]:
        text = _text(cell)
        try:
            value = None if text is None else number(text)
        except ValueError:
            value = None
        whole = value is not None and math.isfinite(value) and value == int(value)
        exact = whole and value is not None and abs(value) < 2**53
        found.append(str(int(value or 0)) if exact else text)
    return found


def _numbers(file: Raw, column: str) -> list[float | None]:
    """The numbers in a column, with None for an empty cell. `nan` and `inf` are numbers."""
    found: list[float | None] = []
    for place, cell in zip(file.table.index, file.table[column], strict=True):
        try:
            found.append(number(cell))
        except (ValueError, TypeError):
            raise UserError(
                f"{file.place(place)}: {column} is {str(cell)[:40]!r}, not a number; write a plain "
                "number such as 3.281, without a unit, and nothing if there is none"
            ) from None
    return found


def _unique(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, with their place added to names that several runs have."""
    twice = runs["run"].duplicated(keep=False)
    names = [
        f"{run} ({place})" if again and run != place else run
        for run, place, again in zip(runs["run"], runs["place"], twice, strict=True)
    ]
    return runs.assign(run=names)


def _list(files: Sequence[Raw]) -> str:
    return files[0].file if len(files) == 1 else f"{files[0].file} and {len(files) - 1} more files"
