"""Two models compared on the same test items: do they differ, whatever the seeds would say?

The mathematics is in `stats/documents.py`, with items in place of documents: each counts as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from noiseband.analysis import inference
from noiseband.analysis.rows import ItemsRow, RunRow
from noiseband.analysis.sources import json_file
from noiseband.errors import NotMadeError
from noiseband.io.checksums import intact
from noiseband.stats.documents import models_differ
from noiseband.stats.least_squares import BASELINE, Floats
from noiseband.study.metrics import NamedMetric
from noiseband.study.paths import Paths
from noiseband.study.table_params import TablesParams

KINDS = ("choice", "harness", "command")
"""Kinds of evaluations whose metrics are means over items; a loss is one over tokens."""


def item_rows(params: TablesParams, rows: Sequence[RunRow], results: Path) -> list[ItemsRow]:
    """A row for each judged metric that is a mean over items, and each intervention.

    The first run of an intervention that shares all seeds with a run of the baseline is compared
    with that one, or else the first runs of both. The intervals of a metric hold for all
    interventions at once. Raises UserError for a missing or damaged file.
    """
    pairs = list(_pairs(inference.usable(rows)))
    return [
        row
        for evaluation in params.evaluations
        if pairs and _has_items(results, pairs[0][0].run, evaluation)
        for metric in params.judged
        if metric.name.startswith(f"{evaluation}.")
        for row in _of_metric(params.alpha, pairs, metric, evaluation, results)
    ]


def _pairs(rows: Sequence[RunRow]) -> Iterator[tuple[RunRow, RunRow]]:
    """A run of each intervention, and the run of the baseline that it is compared with."""
    baseline = [row for row in rows if row.intervention == BASELINE]
    on = {row.seeds: row for row in reversed(baseline)}
    for name in dict.fromkeys(row.intervention for row in rows):
        if name != BASELINE:
            arm = [row for row in rows if row.intervention == name]
            run = next((row for row in arm if row.seeds in on), arm[0])
            yield run, on.get(run.seeds, baseline[0])


def _has_items(results: Path, run: str, evaluation: str) -> bool:
    about = json_file(Paths(results).evaluation(run, evaluation))
    # Not every command gives items; one that does says how many.
    return about.get("kind") in KINDS and (about["kind"] != "command" or "items" in about)


def _of_metric(
    alpha: float,
    pairs: Sequence[tuple[RunRow, RunRow]],
    metric: NamedMetric,
    evaluation: str,
    results: Path,
) -> Iterator[ItemsRow]:
    column = metric.name.removeprefix(f"{evaluation}.")
    sign = 1.0 if metric.better == "higher" else -1.0
    for run, other in pairs:
        one, two = (_items(results, row.run, evaluation, column) for row in (run, other))
        if one is None or two is None or one.keys() != two.keys() or len(one) < 2:
            continue
        differences: Floats = np.array([one[item] - two[item] for item in one], np.float64)
        found = models_differ(differences, np.ones(len(differences)))
        half_width, value = float(found.half_width(alpha, len(pairs))), float(found.value)
        yield ItemsRow(
            metric=metric.name,
            intervention=run.intervention,
            run=run.run,
            compared_with=other.run,
            items=len(differences),
            improved=int((sign * differences > 0).sum()),
            worsened=int((sign * differences < 0).sum()),
            difference=value,
            difference_se=float(found.variance) ** 0.5,
            difference_low=value - half_width,
            difference_high=value + half_width,
        )


def _items(results: Path, run: str, evaluation: str, column: str) -> dict[str, float] | None:
    """The value of each item that has the metric, by its name; None if one of them diverged, or
    there are none."""
    path = Paths(results).evaluation_items(run, evaluation)
    try:
        table = pq.read_table(intact(path)).to_pydict()
    except FileNotFoundError as error:
        raise NotMadeError(path) from error
    each = zip(table["item"], table.get(column, [None] * len(table["item"])), strict=True)
    found = {item: value for item, value in each if value is not None}
    return found if found and np.isfinite([*found.values()]).all() else None
