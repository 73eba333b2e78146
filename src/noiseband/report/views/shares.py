"""What runs read of the corpora of a mixture; runs that read the same are shown together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from noiseband.analysis.rows import ShareRow


@dataclass(frozen=True)
class Reading:
    """The runs that read the same tokens."""

    runs: list[str]
    parts: list[ShareRow]
    """A row for each corpus, of the first of these runs."""


def shares(rows: Sequence[ShareRow]) -> list[Reading]:
    """The rows of a table, in the order of the runs."""
    by_run: dict[str, list[ShareRow]] = {}
    for row in rows:
        by_run.setdefault(row.run, []).append(row)
    found: dict[tuple[ShareRow, ...], Reading] = {}
    for run, parts in by_run.items():
        alike = tuple(replace(part, run="") for part in parts)
        found.setdefault(alike, Reading([], parts)).runs.append(run)
    return list(found.values())
