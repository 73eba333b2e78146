"""A study's factorial design: its effects as rows of a table, and what it can and cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from noiseband.analysis.inference import usable
from noiseband.analysis.rows import FactorialRow, RunRow
from noiseband.report.words import counted, listed, signed
from noiseband.stats.design import Design, design, equation
from noiseband.stats.factorial import COLUMNS, Factorial, factorial
from noiseband.stats.simultaneous import Estimate
from noiseband.stats.verdicts import Call, call
from noiseband.study.params import TablesParams

ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


def analysis(params: TablesParams, rows: Sequence[RunRow]) -> Factorial | None:
    """The design's effects and stacks; None without a design or without a run of the baseline."""
    runs = [row for row in usable(rows) if row.continues is None]
    if not params.factors or not runs:
        return None
    factors = set(params.factors)
    mixed = {row.interventions for row in runs if len(row.interventions) > 1}
    stacks = sorted((set(parts) for parts in mixed if set(parts) <= factors), key=sorted)
    table = pd.DataFrame({name: [getattr(row, name) for row in runs] for name in COLUMNS})
    return factorial(table, _design(params), stacks, params.alpha)


def factorial_rows(found: Factorial | None) -> list[FactorialRow]:
    """One row for each main effect and two-way interaction, or group of them."""
    if found is None:
        return []
    return [
        FactorialRow(
            effect=one.effect,
            letters=one.letters,
            factors=one.factors,
            aliases=one.aliases,
            estimate=one.estimate,
            low=one.low,
            high=one.high,
            p_value=one.p_value,
            verdict=call(one.low, one.high).value,
            smallest_visible=one.smallest_visible,
            se=one.se,
            residual_sd=found.residual_sd,
            degrees_of_freedom=found.degrees_of_freedom,
            error_from=found.error_from.value,
        )
        for one in found.effects
    ]


def interactions(found: Factorial | None) -> dict[frozenset[str], Estimate]:
    """What the stacks' two-way interactions take from their promise, by the stack's factors."""
    return {} if found is None else {frozenset(s.factors): s.interaction for s in found.stacks}


def factorial_view(
    params: TablesParams, rows: Sequence[FactorialRow], runs: Sequence[RunRow], decimals: int
) -> dict[str, Any] | None:
    """What the page says of the design beside its table; None without one."""
    if not rows:
        return None
    laid_out = _design(params)
    done = {frozenset(row.interventions) for row in usable(runs)}
    absent = [on for on in laid_out.runs if frozenset(on) not in done]
    return {
        "summary": _summary(params, rows, decimals),
        "extent": _extent(laid_out),
        "letters": [(row.letters, row.effect) for row in rows if len(row.factors) == 1],
        "generators": [equation(terms) for terms in laid_out.generators],
        "relation": equation(laid_out.defining_relation) if params.fraction else None,
        "aliases": [equation(terms) for terms in laid_out.aliases if len(terms) > 1],
        "absent": [" + ".join(on) or "baseline" for on in absent],
        "error_from": rows[0].error_from,
        "degrees_of_freedom": rows[0].degrees_of_freedom,
        "residual_sd": rows[0].residual_sd,
    }


def _design(params: TablesParams) -> Design:
    return design(params.factors, params.fraction)


def _extent(laid_out: Design) -> str:
    """`All 32 sets of 5 changes.`, or what share of them, and its resolution."""
    factors, sets = len(laid_out.factors), len(laid_out.runs)
    if laid_out.resolution is None:
        return f"All {sets:,} sets of {factors} changes were run."
    share = f"{sets:,} of the {sets << laid_out.fraction:,} sets of {factors} changes were run"
    return f"{share}, a fraction of resolution {ROMAN[laid_out.resolution]}."


def _summary(params: TablesParams, rows: Sequence[FactorialRow], decimals: int) -> str:
    """`In a design of 32 sets of 5 changes, …`: main effects that stand out, and interactions."""
    size = 1 << len(params.factors) - params.fraction
    start = f"In a factorial design of {counted(len(params.factors), 'change')} ({size:,} sets)"
    said = []
    for said_of_it, verb in ((Call.HELPS, "lower"), (Call.HURTS, "raise")):
        main = [r for r in rows if r.verdict == said_of_it and len(r.factors) == 1]
        if main:
            names = [f"{row.effect} ({signed(row.estimate, decimals)})" for row in main]
            ending = "s" if len(main) == 1 else ""
            said.append(f"{listed(names)} {verb}{ending} the loss on average over the others")
    pairs = [r for r in rows if len(r.factors) == 2 and r.verdict in (Call.HELPS, Call.HURTS)]
    if pairs:
        stand = "stands" if len(pairs) == 1 else "stand"
        said.append(f"{counted(len(pairs), 'interaction')} of two {stand} out")
    if not said:
        return f"{start}, no effect stands out of the noise."
    return f"{start}, {'; '.join(said)}."
