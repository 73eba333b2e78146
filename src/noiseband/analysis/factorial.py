"""A study's factorial design: the table of its effects, and what its runs can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.inference import frame, usable
from noiseband.analysis.rows import FactorialRow, RunRow
from noiseband.stats.design import Design, design, equation, label
from noiseband.stats.factorial import COLUMNS, Factorial, factorial
from noiseband.stats.simultaneous import Estimate
from noiseband.study.table_params import TablesParams


def analysis(params: TablesParams, rows: Sequence[RunRow]) -> Factorial | None:
    """The design's effects and stacks; None without a design or without a baseline run."""
    runs = [row for row in usable(rows) if row.continues is None]
    if not params.factors or not runs:
        return None
    factors = set(params.factors)
    mixed = {row.interventions for row in runs if len(row.interventions) > 1}
    stacks = sorted((set(parts) for parts in mixed if set(parts) <= factors), key=sorted)
    return factorial(
        frame(runs, COLUMNS), _design(params), stacks, params.alpha, params.primary.better
    )


def factorial_rows(found: Factorial | None) -> list[FactorialRow]:
    """One row for each main effect and two-way interaction, or group of them."""
    if found is None:
        return []
    return [
        FactorialRow(
            **vars(one),
            residual_sd=found.residual_sd,
            degrees_of_freedom=found.degrees_of_freedom,
            error_from=found.error_from,
        )
        for one in found.effects
    ]


def interactions(found: Factorial | None) -> dict[frozenset[str], Estimate]:
    """How much two-way interactions make each stack fall short, by the stack's factors."""
    return {} if found is None else {frozenset(s.factors): s.interaction for s in found.stacks}


@dataclass(frozen=True)
class Layout:
    """Which sets of factors the design has, and which effects they cannot tell apart."""

    factors: int
    sets: int
    """Planned sets of factors: one in 2^`fraction` of all possible sets."""
    fraction: int
    resolution: int | None
    """Length of the shortest word; None for a full design."""
    generators: list[str]
    """The generator of each factor that is not switched freely, such as `E = −ABCD`."""
    relation: str
    """The defining relation, such as `I = −ABCDE`."""
    aliases: list[str]
    """Aliased main effects and two-way interactions, such as `AB = CD`."""
    absent: list[str]
    """Sets of factors, such as `clip + decay`, for which no run has a finite loss."""


def layout(params: TablesParams, runs: Sequence[RunRow]) -> Layout:
    """The layout of the study's design; the study must have one."""
    laid_out = _design(params)
    done = {frozenset(row.interventions) for row in usable(runs)}
    return Layout(
        factors=len(laid_out.factors),
        sets=len(laid_out.runs),
        fraction=laid_out.fraction,
        resolution=laid_out.resolution,
        generators=[equation(terms) for terms in laid_out.generators],
        relation=equation(laid_out.defining_relation),
        aliases=[equation(terms) for terms in laid_out.aliases if len(terms) > 1],
        absent=[label(on) for on in laid_out.runs if frozenset(on) not in done],
    )


def _design(params: TablesParams) -> Design:
    return design(params.factors, params.fraction)
