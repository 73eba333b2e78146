"""All tables of the published series, in its order."""

from __future__ import annotations

from noiseband.published import losses, mistakes, tuning
from noiseband.published.table import Table


def tables() -> dict[str, Table]:
    """All tables by name."""
    found = [
        losses.interventions(),
        losses.noise(),
        losses.stacks(),
        losses.gap(),
        losses.machines(),
        *(tuning.finetuning(protocol) for protocol in tuning.protocols()),
        tuning.ranks(),
        tuning.twins(),
        mistakes.table(),
    ]
    return {table.name: table for table in found}
