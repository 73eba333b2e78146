"""What counts as a run: equal results are counted once, whatever they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from noiseband.stats.least_squares import BASELINE, seed_columns


@dataclass(frozen=True, eq=False)
class Distinct:
    """A table of runs without duplicates."""

    table: pd.DataFrame
    """One row for each distinct run, in the order of the original."""
    same_as: Mapping[str, str]
    """Interventions that are not in the table, because all their runs are runs of another arm: the
    baseline, or the intervention that the table names first."""


def distinct(runs: pd.DataFrame) -> Distinct:
    """Count each run once.

    Runs are equal if their `identity` is, such as the digest of their weights. In a table without
    that column, runs are equal if they have equal seeds and equal values. Within an arm, a
    duplicate is left out: a seed that changes nothing makes no second run. An arm whose runs are
    all runs of an earlier arm is left out whole: its differences of exactly zero would otherwise
    look like precise measurements.
    """
    own = runs.assign(identity=_identities(runs))
    own = own.drop_duplicates(["intervention", "identity"])
    results_of: dict[str, set[str]] = {BASELINE: set()}
    for name, identity in zip(own["intervention"], own["identity"], strict=True):
        results_of.setdefault(str(name), set()).add(identity)
    kept: dict[str, set[str]] = {}
    same_as: dict[str, str] = {}
    for name, results in results_of.items():
        twin = next((other for other, theirs in kept.items() if results <= theirs), None)
        if twin is None:
            kept[name] = results
        else:
            same_as[name] = twin
    table = own[own["intervention"].isin(kept)].drop(columns="identity")
    return Distinct(table.reset_index(drop=True), same_as)


def _identities(runs: pd.DataFrame) -> pd.Series:
    if "identity" in runs.columns:
        return runs["identity"].astype(str)
    columns = [*seed_columns(runs), "value"]
    return runs[columns].apply(lambda row: "/".join(map(repr, row.tolist())), axis=1)
