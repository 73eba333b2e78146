"""Pass the table of runs to `stats/` and turn the results into rows of the other tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
from scipy import stats

from noiseband.analysis.rows import RunRow, StackRow, VerdictRow
from noiseband.stats.additivity import Additivity, additivity
from noiseband.stats.least_squares import BASELINE, COLUMNS, Fit, fit
from noiseband.stats.simultaneous import Estimate
from noiseband.stats.verdicts import Verdict, verdicts


def has_loss(row: RunRow) -> bool:
    """Whether the run's test loss is a finite number."""
    return row.test_loss is not None and math.isfinite(row.test_loss)


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
    """Runs that verdicts use: those with a finite loss, without repeats (no new evidence).

    The list is empty if the baseline has no such run, since there is nothing to compare with.
    """
    found = [row for row in rows if row.repeat_of is None and has_loss(row)]
    return found if any(row.intervention == BASELINE for row in found) else []


def without_loss(rows: Sequence[RunRow]) -> list[RunRow]:
    """Runs without a finite test loss, except repeats. The report names each of them."""
    return [row for row in rows if row.repeat_of is None and not has_loss(row)]


def with_residuals(
    rows: Sequence[RunRow], factors: Sequence[str] = (), approximate: Sequence[str] = ()
) -> list[RunRow]:
    """The rows, with the residual in nats of each run that verdicts use."""
    model = fitted([row for row in exact(rows, approximate) if not of_design(row, factors)])
    if model is None:
        return list(rows)
    residual = model.residuals.to_dict()
    return [replace(row, residual=residual.get(row.run)) for row in rows]


def fitted(rows: Sequence[RunRow]) -> Fit | None:
    """The model behind all verdicts; None if no run of the baseline has a finite loss."""
    table = frame(usable(rows))
    return fit(table) if len(table) else None


def verdict_rows(rows: Sequence[RunRow], alpha: float) -> list[VerdictRow]:
    """A row for each intervention of the study, including those without a usable run."""
    table, model = frame(usable(rows)), fitted(rows)
    found = {v.intervention: v for v in verdicts(table, alpha)} if model else {}
    result = []
    for name in _interventions(rows):
        lost = tuple(row.run for row in without_loss(rows) if row.intervention == name)
        verdict = found.get(name, Verdict(name))
        residual_sd = model.residual_sd if model and name in found else None
        result.append(VerdictRow(**vars(verdict), residual_sd=residual_sd, runs_without_loss=lost))
    return result


def band_half_width(rows: Sequence[VerdictRow], alpha: float) -> float | None:
    """Half the width of the noise band in nats: how far single runs fall from their recipe's mean.

    None without residual degrees of freedom.
    """
    for row in rows:
        if row.residual_sd is not None and row.degrees_of_freedom:
            return float(stats.t.isf(alpha / 2, row.degrees_of_freedom)) * row.residual_sd
    return None


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
    """The rows as a table with these columns and the `data_seed`, for `stats/`."""
    table = pd.DataFrame({name: [getattr(row, name) for row in rows] for name in columns})
    return table.assign(data_seed=[row.seeds.data_seed for row in rows])
