"""How much runs of one recipe scatter: by seed, and by machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from noiseband.analysis.inference import frame, has_value, shared_recipe, usable
from noiseband.analysis.rows import NoiseRow, RunRow
from noiseband.stats.least_squares import BASELINE, Seeds
from noiseband.stats.machines import machine_component
from noiseband.stats.noise import equal_variances, noise_components, seeds_text

RERUN = "rerun"
"""Name of the component of runs that a command made twice from one recipe, with other results."""


def noise_rows(
    rows: Sequence[RunRow],
    seeds: Mapping[str, Sequence[Sequence[int]]],
    alpha: float,
    command: bool = False,
) -> list[NoiseRow]:
    """The study's noise components: of seeds, from runs with exactly the baseline's recipe, and of
    machines, from all recipes, if some recipe was run on several. `seeds` are those of each
    component's runs, each [init_seed, data_seed, train_seed]. If a `command` made the runs, the
    component of machines is that of reruns."""
    plain = [row for row in usable(rows) if row.intervention != BASELINE or not row.changes]
    components: dict[str, Sequence[Seeds]] = {
        name: [tuple(one) for one in wanted] for name, wanted in seeds.items() if wanted
    }
    table = frame(plain)
    baseline = table["value"][table["intervention"] == BASELINE]
    if baseline.empty:
        return [
            NoiseRow(name, missing_seeds=tuple(map(seeds_text, wanted)))
            for name, wanted in components.items()
        ]
    found = noise_components(table, components, alpha)
    machine = machine_component(twins(rows), float(baseline.mean()), alpha)
    if machine is None:
        return found
    of_run = {row.run: row.seeds_text for row in rows}
    if command:
        machine = replace(machine, component=RERUN)
    return [*found, replace(machine, seeds=tuple(of_run[run] for run in machine.runs))]


def noise_sentence(rows: Sequence[NoiseRow], alpha: float) -> str:
    """A sentence on whether one source of noise is larger than another."""
    return equal_variances(rows, alpha).sentence


def twins(rows: Sequence[RunRow]) -> list[dict[str, float]]:
    """Runs with a value, grouped by recipe without the microbatch.

    A repeat with the weights of its original is left out, because it adds no evidence. A repeat
    with other weights stays, because only the machine can have caused the difference.
    """
    groups: dict[tuple[object, ...], dict[str, float]] = {}
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        recipe = shared_recipe(row)
        if not has_value(row) or (*recipe, row.weights_sha256) in seen:
            continue
        seen.add((*recipe, row.weights_sha256))
        assert row.value is not None
        groups.setdefault(recipe, {})[row.run] = row.value
    return list(groups.values())
