"""All metrics side by side: a row for each arm, and how well each metric tells arms apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.rows import MetricRow, MetricVerdictRow, VerdictRow
from noiseband.report.words import effect_decimals


@dataclass(frozen=True)
class Column:
    """One metric of the table."""

    metric: MetricRow
    verdicts: dict[str, VerdictRow]
    """By intervention."""
    decimals: int
    primary: bool
    volatile: bool


def columns(
    primary: Sequence[VerdictRow],
    metrics: Sequence[MetricRow],
    others: Sequence[MetricVerdictRow],
    volatile: Sequence[MetricRow] = (),
    volatile_verdicts: Sequence[MetricVerdictRow] = (),
) -> list[Column]:
    """A column for each metric, the primary one first; empty if there is no other.

    `metrics` starts with the primary one, whose verdicts are `primary`.
    """
    if len(metrics) + len(volatile) < 2:
        return []
    found = [_column(metrics[0], primary, primary=True)]
    for metric in metrics[1:]:
        found.append(_column(metric, _of(metric, others)))
    for metric in volatile:
        found.append(_column(metric, _of(metric, volatile_verdicts), volatile=True))
    return found


def _of(metric: MetricRow, verdicts: Sequence[MetricVerdictRow]) -> list[MetricVerdictRow]:
    return [row for row in verdicts if row.metric == metric.metric]


def _column(
    metric: MetricRow,
    verdicts: Sequence[VerdictRow],
    primary: bool = False,
    volatile: bool = False,
) -> Column:
    return Column(
        metric=metric,
        verdicts={row.intervention: row for row in verdicts},
        decimals=effect_decimals(verdicts),
        primary=primary,
        volatile=volatile,
    )
