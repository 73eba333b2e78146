"""The mean of an evaluation over several snapshots of one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from noiseband.errors import UserError
from noiseband.evaluate.documents import (
    AnyDocument,
    DocumentBits,
    DocumentLoss,
    clustered_error,
)
from noiseband.evaluate.outcome import Outcome, is_mean_of, mean_of, write_outcome
from noiseband.evaluate.slices import sliced_losses
from noiseband.io.checksums import intact
from noiseband.io.metrics import Measured, metrics_in, read_object

Columns = dict[str, list[float | None]]
"""Metric to its value for each item."""


@dataclass(frozen=True)
class Evaluated:
    """An evaluation of one snapshot, as its files say."""

    about: dict[str, Any]
    """The content of the file of metrics, without the metrics."""
    metrics: dict[str, Measured]
    items: list[str]
    columns: Columns
    slices: list[str | None]
    """The slice in which each item is; empty without slices."""


def average_files(
    metrics: Sequence[Path], items: Sequence[Path], out: Path, each: Path | None
) -> None:
    """Write the mean of an evaluation over snapshots, in the form that each of them has.

    Args:
        metrics: the file of metrics of each snapshot, the final weights first.
        items: the file of items of each snapshot; empty for an evaluation without items.
        out: the file of metrics to write.
        each: the file of items to write; None for an evaluation without items.

    Raises:
        UserError: a file is damaged, or two snapshots have other metrics or items.
    """
    tables: list[Path | None] = [*items] or [None] * len(metrics)
    found = [_read(*pair) for pair in zip(metrics, tables, strict=True)]
    # A loss of weights that diverged has no items, and then there is no mean either.
    found = [one for one in found if not one.items] or found
    for one, path in zip(found, metrics, strict=False):
        if one.metrics.keys() != found[0].metrics.keys() or one.items != found[0].items:
            raise UserError(
                f"{path}: has other metrics or items than {metrics[0]}; make both again"
            )
    about = dict(found[0].about)
    name, kind = about.pop("evaluation"), about.pop("kind")
    outcome = averaged(kind, found, {**about, "averaged_over": len(metrics)})
    write_outcome(name, kind, outcome, out, each)


def averaged(kind: str, found: Sequence[Evaluated], about: dict[str, Any]) -> Outcome:
    """The mean of several evaluations, item by item and metric by metric.

    The standard error is that of the mean over the averaged items: of a loss, clustered by document
    as `further_loss.clustered_error` says; of a metric that is a mean over items, that of
    `outcome.mean_of`. Of any other metric, it is the mean of the standard errors. As all snapshots
    see the same items, the error cannot be larger than that, and it is smaller if they disagree.
    """
    names = found[0].columns
    columns = {name: _mean_columns([one.columns[name] for one in found]) for name in names}
    metrics = {}
    for name in found[0].metrics:
        each = [one.metrics[name] for one in found]
        error = _mean([one.standard_error for one in each])
        if _over_items(name, found):
            error = mean_of([value for value in columns[name] if value is not None]).standard_error
        value = _mean([one.value for one in each])
        counts = {one.n for one in each}
        metrics[name] = Measured(
            math.nan if value is None else value,
            error if value is not None and math.isfinite(value) else None,
            counts.pop() if len(counts) == 1 else None,
        )
    if kind == "loss":
        metrics.update(_loss_errors(metrics, found[0].items, columns, found[0].slices))
    return Outcome(metrics, about, found[0].items, columns, found[0].slices)


def _loss_errors(
    metrics: dict[str, Measured],
    items: Sequence[str],
    columns: Columns,
    slices: Sequence[str | None],
) -> dict[str, Measured]:
    """A loss, its bits per byte and its slices, with the standard error over documents."""
    loss, bits = metrics["loss"], metrics.get("bits_per_byte")
    kind, counted = (DocumentLoss, "tokens") if "tokens" in columns else (DocumentBits, "bytes")
    rows = zip(items, columns["loss"], columns[counted], strict=True)
    documents: list[AnyDocument] = [
        kind(int(item), int(size), mean * size)
        for item, mean, size in rows
        if mean is not None and size is not None
    ]
    error = clustered_error(documents) if loss.finite else None
    each = None if error is None or bits is None else error * bits.value / loss.value
    values = [one for one in dict.fromkeys(slices) if one is not None] if loss.finite else []
    return {
        "loss": Measured(loss.value, error, loss.n),
        **({} if bits is None else {"bits_per_byte": Measured(bits.value, each, bits.n)}),
        **sliced_losses(values, documents, slices),
    }


def _over_items(name: str, found: Sequence[Evaluated]) -> bool:
    """Whether a metric is the mean over its items in every snapshot."""
    return all(is_mean_of(one.metrics[name].value, one.columns.get(name, [])) for one in found)


def _mean_columns(columns: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [_mean(values) for values in zip(*columns, strict=True)]


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean, from a sum that is rounded once; None if a value is missing, NaN if one is not
    finite."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return math.fsum(known) / len(known) if all(map(math.isfinite, known)) else math.nan


def _read(metrics: Path, items: Path | None) -> Evaluated:
    data = read_object(metrics)
    found = metrics_in(data, metrics)
    about = {key: value for key, value in data.items() if key != "metrics"}
    if items is None:
        return Evaluated(about, found, [], {}, [])
    columns = pq.read_table(intact(items)).to_pydict()
    names, slices = columns.pop("item"), columns.pop("slice", [])
    return Evaluated(about, found, names, columns, slices)
