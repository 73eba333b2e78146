"""How far each change goes towards the pretrained models, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noiseband.analysis.rows import GapRow


@dataclass(frozen=True)
class Gaps:
    """The shares as a table: an intervention a row, a reference a column."""

    references: list[tuple[str, float]]
    """Names, and how far each is below the baseline in nats."""
    rows: list[tuple[str, list[GapRow]]]
    """The largest share of the first reference's gap first."""


def gaps(rows: Sequence[GapRow]) -> Gaps:
    """The rows of the table of gaps, sorted into one."""
    references = {row.reference: row.baseline_loss - row.reference_loss for row in rows}
    by_intervention: dict[str, list[GapRow]] = {}
    for row in rows:
        by_intervention.setdefault(row.intervention, []).append(row)
    found = sorted(by_intervention.items(), key=lambda item: -item[1][0].share)
    return Gaps(list(references.items()), found)
