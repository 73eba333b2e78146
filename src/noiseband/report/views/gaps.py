"""The table of how much of the gap to the pretrained models each change closes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.rows import GapRow


@dataclass(frozen=True)
class Gaps:
    """The shares as a table with a row for each intervention and a column for each reference."""

    references: list[tuple[str, float]]
    """Each reference's name and how far it is below the baseline, in nats."""
    rows: list[tuple[str, list[GapRow]]]
    """The intervention that closes most of the first reference's gap first."""


def gaps(rows: Sequence[GapRow]) -> Gaps:
    """Arrange the rows of `gaps.csv` as this table."""
    references = {row.reference: row.baseline_loss - row.reference_loss for row in rows}
    by_intervention: dict[str, list[GapRow]] = {}
    for row in rows:
        by_intervention.setdefault(row.intervention, []).append(row)
    found = sorted(by_intervention.items(), key=lambda item: -item[1][0].share)
    return Gaps(list(references.items()), found)
