"""The verdicts of a noiseband study, as its report has them, also while the study runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from noiseband.analysis import inference
from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.analysis.tables import run_rows
from noiseband.io.tables import read_rows
from noiseband.referee.answer import Answer
from noiseband.referee.judgement import ArmVerdict, MetricVerdicts
from noiseband.stats.verdicts import Verdict
from noiseband.study import Study
from noiseband.study.params import TablesParams
from noiseband.study.paths import Paths
from noiseband.study.runs import BASELINE
from noiseband.tracking.running import State, progress

METRIC = "test loss"


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
    rows = inference.exact(run_rows(params, study.results), params.approximate)
    proposed = [row for row in rows if not inference.of_design(row, params.factors)]
    judged = inference.judged(proposed, params.alpha, params.margin)
    verdicts = inference.verdict_rows(proposed, judged)
    return Answer((_metric(verdicts, proposed, params),), tuple(notes))


def of_tables(results: Path, params: TablesParams) -> Answer:
    """The verdicts in the tables of a finished study."""
    tables = Paths(results).tables
    rows = inference.exact(read_rows(tables / "runs.csv", RunRow), params.approximate)
    verdicts = read_rows(tables / "verdicts.csv", VerdictRow)
    return Answer((_metric(verdicts, rows, params),))


def _metric(
    verdicts: Sequence[VerdictRow], runs: Sequence[RunRow], params: TablesParams
) -> MetricVerdicts:
    used = [row for row in inference.usable(runs) if row.intervention == BASELINE]
    losses = sorted({row.weights_sha256: row.test_loss or 0.0 for row in used}.values())
    known = [field.name for field in fields(Verdict)]
    return MetricVerdicts(
        metric=METRIC,
        better="lower",
        baseline=BASELINE,
        baseline_runs=len(losses),
        baseline_mean=sum(losses) / len(losses) if losses else float("nan"),
        alpha=params.alpha,
        comparisons=max(1, len(verdicts)),
        margin=params.margin,
        verdicts=tuple(
            ArmVerdict(
                **{name: getattr(row, name) for name in known},
                metric=METRIC,
                runs_without_value=row.runs_without_loss,
            )
            for row in verdicts
        ),
        residual_sd=next((row.residual_sd for row in verdicts if row.residual_sd), None),
        band=inference.band_half_width(verdicts),
    )
