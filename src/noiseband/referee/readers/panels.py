"""Read what Weights & Biases exports from a panel: a column for each run, a row for each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.tables import table

JOINT = " - "
"""What is between a run and its metric in the name of a column."""
ENDS = ("__MIN", "__MAX")
"""Ends of the two columns that follow each: the extremes of the steps that the panel merged."""
STEP = "Step"


def is_panel(raw: Raw) -> bool:
    """Whether a table is the export of a panel: all columns but the first are in threes, or the
    extremes have been removed."""
    axis, *names = raw.table.columns
    values = [name for name in names if not name.endswith(ENDS)]
    threes = {name + end for name in values for end in ("", *ENDS)}
    joined = bool(values) and all(JOINT in name for name in values)
    return joined and (set(names) == threes or (axis == STEP and names == values))


def read_panel(raw: Raw) -> Raw:
    """A row for each run and step that has a value. The extremes are left out.

    The name of a run may have a hyphen in it, and that of a metric is what comes after the last.
    Raises UserError if no run has a value.
    """
    axis, *names = raw.table.columns
    values = [name for name in names if not name.endswith(ENDS)]
    runs: dict[str, list[tuple[str, str]]] = {}
    for name in values:
        run, _, metric = name.rpartition(JOINT)
        runs.setdefault(run, []).append((metric, name))
    metrics = list(dict.fromkeys(metric for found in runs.values() for metric, _ in found))
    rows: list[Sequence[Any]] = []
    lines: list[Any] = []
    for line, cells in zip(raw.table.index, raw.table.to_dict("records"), strict=True):
        for run, found in runs.items():
            row = {metric: cells[name] for metric, name in found}
            if any(cell is not None for cell in row.values()):
                rows.append([run, cells[axis], *map(row.get, metrics)])
                lines.append(line)
    if not rows:
        raise UserError(f"{raw.file}: no run of this panel has a value")
    notes = [] if axis == STEP else [f"{raw.file}: steps are in the order of {axis}"]
    made = table(rows, ["run", STEP, *metrics], lines)
    return Raw(raw.file, made, raw.unit, metrics, tuple(notes))
