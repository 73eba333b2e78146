"""The costs of the study's runs, and of runs that could be added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from noiseband.analysis.repeats import more_repeats
from noiseband.analysis.rows import RunRow, VerdictRow
from noiseband.analysis.sources import json_file, json_if_any
from noiseband.duration import duration
from noiseband.plan.estimate import Total, Work, combined, total, work
from noiseband.plan.measured import expected
from noiseband.report.words import counted
from noiseband.study.machines import Machine, Machines, load_machines, machine_of
from noiseband.study.paths import Paths
from noiseband.study.recipe import Recipe
from noiseband.study.table_params import ReportParams


@dataclass(frozen=True)
class Costs:
    """The study's costs on its machines, as `noiseband plan` estimates them."""

    machine: str
    """Name of the machine, or of several, joined by "and"."""
    source: str
    """Where the machine's figures come from."""
    totals: list[tuple[str, Total]]
    """Each total with its label."""
    works: dict[str, Work]
    """Estimated work by run."""
    prices: dict[str, float]
    """US dollars by run, if its time and the machine's price are known."""
    measured: dict[str, float]
    """Measured seconds by run, for runs that were never interrupted."""
    scaled: bool
    """Whether some rate was measured with another model or another dropout than the run's."""
    advice: str | None
    """A sentence on how many baseline runs to add; None if some recipe was run twice."""


def costs(
    params: ReportParams,
    results: Path,
    table: Path,
    runs: Sequence[RunRow],
    verdicts: Sequence[VerdictRow],
) -> Costs:
    """Time and money for all runs, another seed of every arm, and the runs that verdicts lack.

    Raises UserError if a machine of the study is not in `table`.
    """
    machines = load_machines(table)
    names = {row.run: params.machines.get(row.run, params.machine) for row in runs}
    each = {run: machine_of(machines, name) for run, name in names.items()}
    took = _measured(results, runs)
    if params.command:
        likely = expected({row.run: row.intervention for row in runs}, took)
        works = {
            row.run: Work(row.run, row.steps or 0, row.tokens or 0, likely[row.run], scaled=False)
            for row in runs
        }
    else:
        works = {row.run: _work(results, row, machines, each[row.run]) for row in runs}
    fresh = [row for row in runs if row.continues is None and row.run not in params.approximate]
    one_each = {row.intervention: row.run for row in reversed(fresh)}
    baseline = works[params.baseline]
    advice, more = _advice(params, runs, verdicts, baseline, each[params.baseline])
    totals = [
        ("all runs", _total(list(works.values()), names, machines)),
        (
            "another seed of everything",
            _total([works[run] for run in one_each.values()], names, machines),
        ),
        *more,
    ]
    return Costs(
        machine=" and ".join(dict.fromkeys(names.values())),
        source="; ".join(dict.fromkeys(machine.source for machine in each.values())),
        totals=totals,
        works=works,
        prices=_prices(works, each),
        measured=took,
        scaled=any(one.scaled for one in works.values()),
        advice=advice,
    )


def _work(results: Path, row: RunRow, machines: Machines, machine: Machine) -> Work:
    """Estimate one run, without time and price if this version cannot read its recipe."""
    card = json_file(Paths(results).run(row.run) / "recipe.json")
    try:
        recipe = Recipe.model_validate(card["recipe"])
    except ValidationError:
        return Work(row.run, row.steps or 0, row.tokens or 0, None, scaled=False)
    return work(row.run, recipe, machines, machine)


def _total(works: Sequence[Work], names: Mapping[str, str], machines: Machines) -> Total:
    """The total over runs, each on its own machine."""
    groups: dict[str, list[Work]] = {}
    for one in works:
        groups.setdefault(names[one.run], []).append(one)
    return combined([total(some, machines.machines[name]) for name, some in groups.items()])


def _prices(works: Mapping[str, Work], machines: Mapping[str, Machine]) -> dict[str, float]:
    each = {run: total([one], machines[run]).usd for run, one in works.items()}
    return {run: usd for run, usd in each.items() if usd is not None}


def _measured(results: Path, runs: Sequence[RunRow]) -> dict[str, float]:
    found = {row.run: json_if_any(Paths(results).run(row.run) / "timing.json") for row in runs}
    return {
        row.run: float(timing["seconds"])
        for row in runs
        if (timing := found[row.run]) and _whole(timing, row)
    }


def _whole(timing: Mapping[str, Any], row: RunRow) -> bool:
    """Whether a timing is about a whole run, and not only about its last segment."""
    if "resumed" in timing:
        return not timing["resumed"]
    return bool(timing["steps"] == row.steps)


def _advice(
    params: ReportParams,
    runs: Sequence[RunRow],
    verdicts: Sequence[VerdictRow],
    baseline: Work,
    machine: Machine,
) -> tuple[str | None, list[tuple[str, Total]]]:
    """A sentence on how many baseline runs to add, and their costs.

    The result is (None, []) if some recipe was run twice or there is nothing to compare.
    """
    wanted = more_repeats(runs, verdicts, params.alpha)
    if wanted is None:
        return None, []
    more = wanted.more
    price = total([replace(baseline, run=str(number)) for number in range(more)], machine)
    label = f"{counted(more, 'more seed')} of the baseline"
    sentence = (
        "No recipe was run twice, so the size of the noise is unknown. Train the baseline with "
        f"{counted(more, 'more seed')} (seeds: {{baseline: […]}} in the config): each interval "
        f"then reaches {wanted.half_width:.1f} standard deviations of a single run to either side"
    )
    if more > 1:
        sentence += f"; with only 1 more, {wanted.half_width_with_one:.1f}"
    if price.seconds is not None:
        money = "" if price.usd is None else f" and ${price.usd:,.2f}"
        sentence += f". On {params.machine} that takes {duration(price.seconds)}{money}"
    return f"{sentence}.", [(label, price)]
