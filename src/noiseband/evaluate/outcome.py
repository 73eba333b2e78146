"""The result of a further evaluation: its metrics as JSON, and its items as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.io.files import atomic, write_json
from noiseband.io.metrics import Measured, metrics_json

CLOSE = 1e-9
"""Largest relative difference between a metric and the mean over its items, if it is that mean."""


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found out about one model."""

    metrics: dict[str, Measured]
    """By name, without the name of the evaluation."""
    about: dict[str, Any] = field(default_factory=dict)
    """What the metrics were measured on, ready to be written as JSON."""
    items: list[str] = field(default_factory=list)
    """Names of the items, the same for every model."""
    values: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    """Metric to its value for each item; None where an item has no such metric."""
    slices: Sequence[str | None] = ()
    """The slice in which each item is, None for an item in none; empty if there are no slices."""


def mean_of(values: Sequence[float]) -> Measured:
    """The mean over items, with the standard error of a mean: the standard deviation (n - 1 in its
    denominator) over the root of n. NaN if a value is not finite; no error with one item."""
    found = np.asarray(values, np.float64)
    if not np.isfinite(found).all():
        return Measured(math.nan, None, len(found))
    error = float(found.std(ddof=1) / math.sqrt(len(found))) if len(found) > 1 else None
    return Measured(float(found.mean()), error, len(found))


def is_mean_of(value: float, column: Sequence[float | None]) -> bool:
    """Whether a metric is the mean over those of its items that have it."""
    known = [one for one in column if one is not None]
    mean = math.fsum(known) / len(known) if known else math.nan
    return math.isclose(value, mean, rel_tol=CLOSE, abs_tol=CLOSE)


def write_outcome(name: str, kind: str, outcome: Outcome, out: Path, items: Path | None) -> None:
    """Write the metrics to `out`, and the items to `items`. In tables, a metric has the name of the
    evaluation in front: `<name>.<metric>`."""
    if items is not None:
        _write_items(outcome, items)
    about = {"evaluation": name, "kind": kind, **outcome.about}
    write_json(out, {**about, "metrics": metrics_json(outcome.metrics)})


def _write_items(outcome: Outcome, out: Path) -> None:
    """Write a column `item` of texts, one of float64 for each metric, and the slices if there are
    any, as texts in the column `slice`."""
    columns = {"item": pa.array(outcome.items, pa.string())}
    columns |= {name: pa.array(column, pa.float64()) for name, column in outcome.values.items()}
    if outcome.slices:
        columns["slice"] = pa.array(outcome.slices, pa.string())
    with atomic(out) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")
