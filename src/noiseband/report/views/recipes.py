"""Recipes: the baseline's in full, the others as differences from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noiseband.analysis.rows import RunRow
from noiseband.analysis.sources import json_file
from noiseband.study.paths import Paths
from noiseband.study.section import flatten, written


@dataclass(frozen=True)
class Difference:
    """The keys in which one intervention's recipe differs from the baseline's."""

    intervention: str
    parts: tuple[str, ...]
    """The single interventions of a stack."""
    runs: int
    keys: list[tuple[str, str, str]]
    """(dotted key, the baseline's value, the intervention's value)."""


def differences(results: Path, rows: Sequence[RunRow]) -> list[Difference]:
    """All distinct differences, in the order of the study; repeats are left out."""
    groups: dict[tuple[str, tuple[str, ...]], list[RunRow]] = {}
    for row in rows:
        if row.repeat_of is None and row.changes:
            groups.setdefault((row.intervention, row.changes), []).append(row)
    return [
        Difference(
            intervention=intervention,
            parts=members[0].interventions if len(members[0].interventions) > 1 else (),
            runs=len(members),
            keys=[
                (key, written(before), written(after))
                for key, (before, after) in _card(results, members[0].run)["difference"].items()
            ],
        )
        for (intervention, _), members in groups.items()
    ]


def baseline_recipe(results: Path, run: str) -> list[tuple[str, str]]:
    """Every key of the baseline run's recipe with its value."""
    recipe = flatten(_card(results, run)["recipe"])
    return [(key, written(value)) for key, value in recipe.items()]


def _card(results: Path, run: str) -> dict[str, Any]:
    card: dict[str, Any] = json_file(Paths(results).run(run) / "recipe.json")
    return card
