"""The published series on the page: its losses compared with this study's, and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noiseband.io.tables import read_rows
from noiseband.published.comparison import MISSING, OTHER_SIZE, ComparisonRow, Summary, summary
from noiseband.published.table import Table
from noiseband.published.tables import tables as published_tables
from noiseband.report.words import counted, fixed, listed, signed


@dataclass(frozen=True)
class Comparison:
    """The published losses compared with this study's."""

    rows: list[ComparisonRow]
    """The published runs that this study has, including those of another size."""
    missing: list[str]
    sentences: list[str]


@dataclass(frozen=True)
class PublishedView:
    """All that the page shows of the published series."""

    comparison: Comparison
    tables: list[Table]
    """The series' own tables, recomputed."""


def published_view(tables: Path) -> PublishedView:
    """Read `published.csv` from the folder of tables; raises UserError if it is missing."""
    rows = read_rows(tables / "published.csv", ComparisonRow)
    return PublishedView(comparison(rows), list(published_tables().values()))


def comparison(rows: Sequence[ComparisonRow]) -> Comparison:
    """The table and sentences that summarise it."""
    there = [row for row in rows if row.finding != MISSING]
    missing = [row.run for row in rows if row.finding == MISSING]
    sentences = [f"{len(there)} of the {len(rows)} published runs are in this study."]
    small = sum(row.finding == OTHER_SIZE for row in there)
    if small:
        sentences.append(
            f"In {counted(small, 'run')}, the model, training or test window is smaller than the "
            "series’, so these losses say nothing about the published ones."
        )
    found = summary(rows)
    return Comparison(there, missing, sentences + (_sentences(found) if found else []))


def _sentences(found: Summary) -> list[str]:
    differ = "differ" if len(found.beyond) > 1 else "differs"
    said = f"{listed(found.beyond) or 'No run'} {differ} by more"
    sentences = [
        f"Twins of the series scatter over machines with an SD of {fixed(found.machine_sd, 4)} "
        f"nats ({found.degrees_of_freedom} degrees of freedom), so a run and its namesake may "
        f"differ by {fixed(found.widest, 3)} from that alone, for all {found.compared} at once.",
        f"{said}; on average this study’s losses differ by {signed(found.mean_difference, 4)}.",
    ]
    if found.order is not None:
        sentences.append(
            f"Kendall’s tau between published and reproduced losses is {found.order:.2f} "
            "(1 means the same order)."
        )
    return sentences
