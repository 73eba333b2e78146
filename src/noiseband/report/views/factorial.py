"""What the page says about a factorial design, next to the table of its effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.factorial import Layout, layout
from noiseband.analysis.rows import Call, FactorialRow, RunRow
from noiseband.report.words import counted, decimals_of, listed, signed
from noiseband.study.metrics import NamedMetric
from noiseband.study.table_params import TablesParams

ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


@dataclass(frozen=True)
class FactorialView:
    """The design's effects, and sentences about them."""

    summary: str
    """A sentence for the first screen."""
    extent: str
    """How many sets of changes were run."""
    effects: Sequence[FactorialRow]
    decimals: int
    """Number of decimals worth showing of an effect."""
    letters: list[tuple[str, str]]
    """Each change's letter and name."""
    layout: Layout
    noise: FactorialRow
    """One of the effects; the source of the error is the same for all of them."""


def factorial_view(
    params: TablesParams, rows: Sequence[FactorialRow], runs: Sequence[RunRow]
) -> FactorialView | None:
    """The design's effects and sentences; None if the study has no design."""
    if not rows:
        return None
    laid_out, decimals = layout(params, runs), decimals_of(rows[0].se)
    return FactorialView(
        summary=_summary(params.primary, laid_out, rows, decimals),
        extent=_extent(laid_out),
        effects=rows,
        decimals=decimals,
        letters=[(row.letters, row.effect) for row in rows if len(row.factors) == 1],
        layout=laid_out,
        noise=rows[0],
    )


def _extent(laid_out: Layout) -> str:
    """`All 32 sets of 5 changes were run.`, or which share of them, with its resolution."""
    factors, sets = laid_out.factors, laid_out.sets
    if laid_out.resolution is None:
        return f"All {sets:,} sets of {factors} changes were run."
    share = f"{sets:,} of the {sets << laid_out.fraction:,} sets of {factors} changes were run"
    return f"{share}, a fraction of resolution {ROMAN[laid_out.resolution]}."


def _summary(
    metric: NamedMetric, laid_out: Layout, rows: Sequence[FactorialRow], decimals: int
) -> str:
    """`In a factorial design of 5 changes (32 sets), …`: the effects that stand out."""
    changes = counted(laid_out.factors, "change")
    start = f"In a factorial design of {changes} ({laid_out.sets:,} sets)"
    said = []
    verbs = ("lower", "raise") if metric.better == "lower" else ("raise", "lower")
    for said_of_it, verb in zip((Call.HELPS, Call.HURTS), verbs, strict=True):
        main = [r for r in rows if r.verdict == said_of_it and len(r.factors) == 1]
        if main:
            names = [f"{row.effect} ({signed(row.estimate, decimals)})" for row in main]
            ending = "s" if len(main) == 1 else ""
            said.append(
                f"{listed(names)} {verb}{ending} the {metric.label} on average over the others"
            )
    pairs = [r for r in rows if len(r.factors) == 2 and r.verdict in (Call.HELPS, Call.HURTS)]
    if pairs:
        stand = "stands" if len(pairs) == 1 else "stand"
        said.append(f"{counted(len(pairs), 'two-way interaction')} {stand} out")
    if not said:
        return f"{start}, no effect stands out from the noise."
    return f"{start}, {'; '.join(said)}."
