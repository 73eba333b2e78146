"""The runs that share a variance: without duplicates, and without arms that scatter otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special

from noiseband.stats.distinct import distinct
from noiseband.stats.least_squares import BASELINE, MANY, checked
from noiseband.stats.mixed import Mixed, fit, fit_sources
from noiseband.stats.without import Others, Without

LEVEL = 0.01
"""Probability that any arm is called out of line in a study where all scatter alike."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """A study's evidence."""

    runs: pd.DataFrame
    """The distinct runs, with those of arms that are out of line."""
    same_as: Mapping[str, str]
    """As in `distinct.Distinct`."""
    out_of_line: Mapping[str, float]
    """As `out_of_line` returns it."""
    model: Mixed
    """The model of all other runs."""

    def resolved(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Weights on interventions' effects, those of equal arms added up. An arm that is identical
        to the baseline has no effect."""
        total: dict[str, float] = {}
        for name, weight in weights.items():
            name = self.same_as.get(name, name)
            if name != BASELINE:
                total[name] = total.get(name, 0.0) + weight
        return {name: weight for name, weight in total.items() if weight}


def pooled(runs: pd.DataFrame) -> Pooled:
    """The evidence in a table of finished runs, which is as for `verdicts.assess`."""
    checked(runs)
    found = distinct(runs)
    odd, model = _in_line(found.table)
    return Pooled(found.table, found.same_as, odd, model)


def out_of_line(runs: pd.DataFrame) -> dict[str, float]:
    """The interventions that must not share a variance with the others.

    An arm is tested against all others together: the sum of squares that its runs add to the model,
    over its degrees of freedom, has an F distribution if it scatters like the rest (two-sided, with
    Bonferroni's correction for the arms tested, averaged over the plausible ratios of the seeds).
    The arm that is furthest out leaves, and the others are tested again without it. An arm with one
    run adds nothing to the variance and stays. The baseline stays too, because every effect is
    measured against it.

    Returns:
        For each intervention that leaves, its SD over that of the others.
    """
    return _in_line(runs)[0]


def _in_line(runs: pd.DataFrame) -> tuple[dict[str, float], Mixed]:
    """The interventions that leave, as for `out_of_line`, and the model of all other runs."""
    left: dict[str, float] = {}
    table = runs
    while True:
        model = fit(table)
        counts = model.table["intervention"].value_counts()
        tested = [name for name in model.arms[1:] if counts[name] > 1]
        found = {name: _ratio(model, one) for name, one in _others(model, tested)}
        usable = {name: pair for name, pair in found.items() if pair is not None}
        name = min(usable, key=lambda one: usable[one][1], default=None)
        if name is None or usable[name][1] * len(usable) >= LEVEL:
            return left, model
        left[name] = usable[name][0]
        table = table[table["intervention"] != name]


def _others(model: Mixed, names: Sequence[str]) -> Iterator[tuple[str, Others]]:
    """The study without each of these arms."""
    if sum(one.levels.shape[1] for one in model.sources) > MANY:
        sums = Without(model)
        yield from ((name, sums.arm(name)) for name in names)
        return
    for name in names:
        inside = (model.table["intervention"] != name).to_numpy()
        sources = [replace(one, levels=one.levels[inside]) for one in model.sources]
        one = fit_sources(model.table[inside].reset_index(drop=True), sources)
        squares = one.mean_squares() if one.scatters else np.zeros(len(one.grid))
        yield name, Others(one.degrees_of_freedom, one.scatters, squares, one.weights)


def _ratio(model: Mixed, others: Others) -> tuple[float, float] | None:
    """SD of one arm over that of the others, and the p-value that they are equal."""
    freedom = model.degrees_of_freedom - others.degrees_of_freedom
    if freedom < 1 or not others.scatters:
        return None
    theirs = others.mean_squares * others.degrees_of_freedom
    own = np.maximum(model.mean_squares() * model.degrees_of_freedom - theirs, 0.0)
    ratio = own / freedom / (theirs / others.degrees_of_freedom)
    p_value = 2.0 * special.fdtrc(freedom, others.degrees_of_freedom, ratio)
    if freedom > 1:  # two losses are often equal because they were rounded
        below = 2.0 * special.fdtr(freedom, others.degrees_of_freedom, ratio)
        p_value = np.minimum(p_value, below)
    return float(np.sqrt(others.weights @ ratio)), float(others.weights @ np.minimum(1.0, p_value))
