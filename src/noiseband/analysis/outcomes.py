"""What a study says about each of its metrics."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from noiseband.analysis import inference
from noiseband.analysis.rows import MetricRow, MetricVerdictRow, RunRow, VerdictRow
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.verdicts import Assessment
from noiseband.study.metrics import NamedMetric
from noiseband.study.table_params import TablesParams


@dataclass(frozen=True)
class Outcome:
    """What a study says about one metric."""

    metric: NamedMetric
    runs: list[RunRow]
    """The runs that verdicts are about, with this metric as their value."""
    study: Assessment | None
    """None if no run of the baseline has a finite value."""
    verdicts: list[VerdictRow]


def outcome(
    params: TablesParams,
    rows: Sequence[RunRow],
    metric: NamedMetric,
    values: Mapping[str, float | None],
) -> Outcome:
    """Judge every intervention by one metric.

    Args:
        rows: all runs of the study.
        values: the metric by run. A run that is not there counts as one without a finite value,
            except that of a volatile metric nothing follows from a value that was not recorded.
    """
    counted = inference.exact(rows, params.approximate)
    proposed = [row for row in counted if not inference.of_design(row, params.factors)]
    if metric.volatile:
        proposed = [row for row in proposed if row.run in values]
    runs = [replace(row, value=values.get(row.run)) for row in proposed]
    study = inference.judged(runs, params.alpha, metric)
    return Outcome(metric, runs, study, inference.verdict_rows(runs, study))


def metric_row(found: Outcome) -> MetricRow:
    """A metric, and how well it tells the arms of this study apart at this number of runs."""
    used = [row for row in inference.usable(found.runs) if row.intervention == BASELINE]
    own = sorted(_distinct(used, found.metric.volatile))
    effects = [row.effect for row in found.verdicts if row.effect is not None]
    signal = statistics.stdev([0.0, *effects]) if effects else None
    sd = found.study.residual_sd if found.study else None
    return MetricRow(
        metric=found.metric.name,
        better=found.metric.better,
        unit=found.metric.unit,
        margin=found.metric.margin,
        baseline_runs=len(own),
        baseline_mean=statistics.fmean(own) if own else None,
        arms=len(effects) + bool(own),
        residual_sd=sd,
        signal=signal,
        signal_to_noise=signal / sd if signal is not None and sd else None,
    )


def _distinct(runs: Sequence[RunRow], volatile: bool) -> list[float]:
    """The values of runs, each with other weights, unless equal weights may differ in the value."""
    values = {
        row.run if volatile else row.weights_sha256: row.value
        for row in runs
        if row.value is not None
    }
    return list(values.values())


def metric_verdict_rows(outcomes: Sequence[Outcome]) -> list[MetricVerdictRow]:
    """The verdicts of several metrics in one table."""
    return [
        MetricVerdictRow(**vars(row), metric=found.metric.name)
        for found in outcomes
        for row in found.verdicts
    ]
