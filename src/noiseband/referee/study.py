"""The verdicts of a noiseband study, as its report has them, also while the study runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from noiseband.analysis import inference
from noiseband.analysis.outcomes import metric_row
from noiseband.analysis.rows import MetricRow, MetricVerdictRow, VerdictRow
from noiseband.analysis.tables import study_outcomes
from noiseband.io.tables import read_rows
from noiseband.referee.answer import Answer, families
from noiseband.referee.judgement import ArmVerdict, MetricVerdicts
from noiseband.stats.verdicts import Verdict
from noiseband.study import Study
from noiseband.study.paths import Paths
from noiseband.study.runs import BASELINE
from noiseband.study.table_params import TablesParams
from noiseband.tracking.running import State, progress


def of_study(study: Study) -> Answer:
    """The verdicts on the runs that are finished, with a note on the others.

    Without a finished run of the baseline there is no verdict, and the answer has no metric.
    """
    found = progress(study)
    done = [one.run for one in found if one.state == State.FINISHED]
    states = Counter(str(one.state) for one in found if one.state != State.FINISHED)
    notes = []
    if states:
        others = ", ".join(f"{count} {state}" for state, count in states.items())
        notes.append(f"{len(done)} of {len(found)} runs are finished ({others})")
    if not any(study.runs[name].intervention == BASELINE for name in done):
        return Answer((), (*notes, "there is no verdict before a run of the baseline is finished"))
    params = TablesParams.of(study).model_copy(update={"runs": done, "recipes": []})
    metrics = [
        _metric(metric_row(one), one.verdicts, params)
        for one in study_outcomes(params, study.results)
    ]
    return Answer(tuple(metrics), (*notes, *_families(metrics, params)))


def of_tables(results: Path, params: TablesParams) -> Answer:
    """The verdicts in the tables of a finished study."""
    tables = Paths(results).tables
    first, *others = read_rows(tables / "metrics.csv", MetricRow)
    metrics = [_metric(first, read_rows(tables / "verdicts.csv", VerdictRow), params)]
    verdicts = read_rows(tables / "metric-verdicts.csv", MetricVerdictRow)
    others += read_rows(tables / "volatile-metrics.csv", MetricRow)
    verdicts += read_rows(tables / "volatile-verdicts.csv", MetricVerdictRow)
    for one in others:
        of_it = [row for row in verdicts if row.metric == one.metric]
        metrics.append(_metric(one, of_it, params))
    return Answer(tuple(metrics), _families(metrics, params))


def _families(metrics: Sequence[MetricVerdicts], params: TablesParams) -> tuple[str, ...]:
    return (families(len(metrics), params.alpha),) if len(metrics) > 1 else ()


def _metric(
    metric: MetricRow, verdicts: Sequence[VerdictRow], params: TablesParams
) -> MetricVerdicts:
    known = [field.name for field in fields(Verdict)]
    label = metric.metric.replace("_", " ")
    return MetricVerdicts(
        metric=label,
        better="lower" if metric.better == "lower" else "higher",
        baseline=BASELINE,
        baseline_runs=metric.baseline_runs,
        baseline_mean=float("nan") if metric.baseline_mean is None else metric.baseline_mean,
        alpha=params.alpha,
        comparisons=max(1, len(verdicts)),
        margin=metric.margin,
        verdicts=tuple(
            ArmVerdict(
                **{name: getattr(row, name) for name in known},
                metric=label,
                runs_without_value=row.runs_without_value,
            )
            for row in verdicts
        ),
        residual_sd=metric.residual_sd,
        band=inference.band_half_width(verdicts),
    )
