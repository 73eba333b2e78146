"""Do averaged weights help? Each average of a run's weights is compared with its final weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from noiseband.analysis import inference
from noiseband.analysis.measurements import values
from noiseband.analysis.rows import AverageRow, MeasurementRow, RunRow
from noiseband.analysis.sources import json_file
from noiseband.stats.least_squares import BASELINE
from noiseband.study.metrics import NamedMetric
from noiseband.study.paths import Paths
from noiseband.study.table_params import TablesParams
from noiseband.study.weight_averages import average_name

Values = Mapping[str, float | None]
"""A metric by run."""


def average_rows(
    params: TablesParams,
    runs: Sequence[RunRow],
    measurements: Sequence[MeasurementRow],
    results: Path,
) -> list[AverageRow]:
    """A row for each metric that averages have, each arm, and each average.

    The verdict is made as a study's: the final weights are the baseline, an average is an
    intervention, and both share the run in place of a seed, so that the scatter between runs
    cancels. The averages of one arm are a family for each metric.

    Raises UserError for a missing or damaged file.
    """
    counted = inference.exact(runs, params.approximate)
    arms = dict.fromkeys(run.intervention for run in counted)
    digests = {
        (run.run, name): json_file(Paths(results).average(run.run, name) / "model.json")["sha256"]
        for run in counted
        for name in params.averages
    }
    found = []
    for metric in _metrics(params):
        final = values(measurements, metric.name)
        averaged = {name: values(measurements, f"{name}.{metric.name}") for name in params.averages}
        for arm in arms:
            own = [run for run in counted if run.intervention == arm]
            rows = [row for pair in enumerate(own) for row in _one(*pair, final, averaged, digests)]
            study = inference.judged(rows, params.alpha, metric)
            verdicts = inference.verdict_rows(rows, study)
            found += [AverageRow(**vars(row), metric=metric.name, arm=arm) for row in verdicts]
    return found


def _metrics(params: TablesParams) -> list[NamedMetric]:
    """The metrics of final weights that averages have as well, in the order of the study."""
    names = {metric.name for metric in params.judged}
    return [
        metric
        for metric in params.judged
        if not metric.volatile and f"{params.averages[0]}.{metric.name}" in names
    ]


def _one(
    number: int,
    run: RunRow,
    final: Values,
    averaged: Mapping[str, Values],
    digests: Mapping[tuple[str, str], str],
) -> list[RunRow]:
    """A run's final weights and each of their averages, as runs on the seed `number`."""
    own = replace(
        run,
        intervention=BASELINE,
        init_seed=number,
        data_seed=number,
        train_seed=number,
        value=final.get(run.run),
    )
    return [
        own,
        *(
            replace(
                own,
                run=average_name(run.run, name),
                intervention=name,
                value=value.get(run.run),
                weights_sha256=digests[run.run, name],
            )
            for name, value in averaged.items()
        ),
    ]
