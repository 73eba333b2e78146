"""Pass the table of runs to `stats/` and turn the results into rows of the other tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from noiseband.analysis.rows import RunRow, StackRow, VerdictRow
from noiseband.stats.additivity import Additivity, additivity
from noiseband.stats.least_squares import BASELINE, COLUMNS
from noiseband.stats.simultaneous import Estimate
from noiseband.stats.verdicts import Assessment, Call, Verdict, assess
from noiseband.study.metrics import Metric


def has_value(row: RunRow) -> bool:
    """Whether the run's metric is a finite number."""
    return row.value is not None and math.isfinite(row.value)


def of_design(row: RunRow, factors: Sequence[str]) -> bool:
    """Whether the run is a combination that only the factorial design asks for.

    The design's own analysis covers these runs. They have no verdicts, because they are not
    proposed changes.
    """
    mixed = len(row.interventions) > 1 and row.intervention == "+".join(row.interventions)
    return mixed and set(row.interventions) <= set(factors)


def exact(rows: Sequence[RunRow], approximate: Sequence[str]) -> list[RunRow]:
    """The runs without those of approximate recipes, which no inference uses."""
    return [row for row in rows if row.run not in approximate]


def usable(rows: Sequence[RunRow]) -> list[RunRow]:
    """Runs that verdicts use: those with a finite value that are new evidence.

    A repeat is none, nor is a twin: a run of the same intervention whose recipe differs from that
    of an earlier run only in the microbatch. The list is empty if the baseline has no such run,
    since there is nothing to compare with.
    """
    found: dict[tuple[object, ...], RunRow] = {}
    for row in rows:
        if row.repeat_of is None and has_value(row):
            found.setdefault((row.intervention, *shared_recipe(row)), row)
    first = list(found.values())
    return first if any(row.intervention == BASELINE for row in first) else []


def shared_recipe(row: RunRow) -> tuple[object, ...]:
    """The part of the recipe that twins and repeats share: everything except the microbatch."""
    changes = tuple(c for c in row.changes if not c.startswith("batch.microbatch="))
    return changes, row.init_seed, row.data_seed, row.train_seed


def without_value(rows: Sequence[RunRow]) -> list[RunRow]:
    """Runs without a finite value, except repeats. The report names each of them."""
    return [row for row in rows if row.repeat_of is None and not has_value(row)]


def with_residuals(rows: Sequence[RunRow], study: Assessment | None) -> list[RunRow]:
    """The rows, with the residual of each run that verdicts use."""
    if study is None:
        return list(rows)
    residual = study.residuals.to_dict()
    return [replace(row, residual=residual.get(row.run)) for row in rows]


def judged(rows: Sequence[RunRow], alpha: float, metric: Metric) -> Assessment | None:
    """The verdicts of a study by one metric, whose values the rows hold; None if no run of the
    baseline has a finite value.

    Runs with equal weights are one run, but not for a volatile metric: a change that is as fast as
    it is harmless has the baseline's weights.
    """
    table = frame(usable(rows))
    if metric.volatile:
        table = table.drop(columns="identity")
    return assess(table, alpha, metric.margin, metric.better) if len(table) else None


def verdict_rows(rows: Sequence[RunRow], study: Assessment | None) -> list[VerdictRow]:
    """A row for each intervention in `rows`, which `judged` has judged, including those without a
    usable run.

    An intervention with a run that ended without a finite value cannot help: the verdict is then
    "not enough runs".
    """
    found = {one.intervention: one for one in study.verdicts} if study else {}
    result = []
    for name in _interventions(rows):
        lost = tuple(row.run for row in without_value(rows) if row.intervention == name)
        verdict = found.get(name, Verdict(name))
        verdict = replace(verdict, verdict=unless_lost(verdict.verdict, lost))
        known = study if study and name in found else None
        result.append(
            VerdictRow(
                **vars(verdict),
                residual_sd=known.residual_sd if known else None,
                band=known.band if known else None,
                runs_without_value=lost,
            )
        )
    return result


def unless_lost(said: Call, lost: Sequence[str]) -> Call:
    """The verdict on an intervention with these runs without a finite value: it cannot help."""
    return Call.NOT_ENOUGH_RUNS if lost and said == Call.HELPS else said


def band_half_width(rows: Sequence[VerdictRow]) -> float | None:
    """Half the width of the noise band: how far a new run of the baseline, on new seeds,
    falls from the mean of the study's. None if the study cannot say."""
    return next((row.band for row in rows if row.band is not None), None)


def stack_rows(
    rows: Sequence[RunRow], alpha: float, design: Mapping[frozenset[str], Estimate] | None = None
) -> list[StackRow]:
    """A row for each stack: the sum of its parts' effects, and its own effect.

    A run that continues another is not a stack, because its training differs from that of its
    parts. `design` has the interactions of sets of parts, if the study has a factorial design.
    """
    runs = usable(rows)
    stacks = {
        row.intervention: row.interventions
        for row in rows
        if len(row.interventions) > 1 and row.continues is None
    }
    if runs:
        found = additivity(frame(runs), stacks, alpha)
    else:
        found = [Additivity(stack, parts, missing_parts=parts) for stack, parts in stacks.items()]
    result = []
    for one in found:
        inner = (design or {}).get(frozenset(one.parts), Estimate())
        result.append(
            StackRow(
                **vars(one),
                interactions=inner.value,
                interactions_low=inner.low,
                interactions_high=inner.high,
            )
        )
    return result


def _interventions(rows: Sequence[RunRow]) -> list[str]:
    return [name for name in dict.fromkeys(row.intervention for row in rows) if name != BASELINE]


def frame(rows: Sequence[RunRow], columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """The rows as a table for `stats/`, with these columns, the `data_seed`, and the `identity` of
    each run's result."""
    table = pd.DataFrame({name: [getattr(row, name) for row in rows] for name in columns})
    return table.assign(
        data_seed=[row.seeds.data_seed for row in rows],
        identity=[row.weights_sha256 for row in rows],
    )
