"""The table of runs as `stats/` wants it, and its answers as rows of the other tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
from scipy import stats

from noiseband.analysis.rows import NoiseRow, RunRow, StackRow, VerdictRow
from noiseband.stats.additivity import Additivity, additivity
from noiseband.stats.least_squares import BASELINE, COLUMNS, Fit, SeedPair, fit
from noiseband.stats.machines import machine_component
from noiseband.stats.noise import NoiseComponent, noise_components
from noiseband.stats.simultaneous import Estimate
from noiseband.stats.verdicts import Call, verdicts


def has_loss(row: RunRow) -> bool:
    """Whether the run's test loss is a finite number."""
    return row.test_loss is not None and math.isfinite(row.test_loss)


def of_design(row: RunRow, factors: Sequence[str]) -> bool:
    """Whether the run is a mixture that only the factorial design asks for.

    The design's own analysis judges these, not a verdict for each: no one proposed them as changes.
    """
    mixed = len(row.interventions) > 1 and row.intervention == "+".join(row.interventions)
    return mixed and set(row.interventions) <= set(factors)


def exact(rows: Sequence[RunRow], approximate: Sequence[str]) -> list[RunRow]:
    """The runs whose recipes are what they are meant to be; no inference rests on the others."""
    return [row for row in rows if row.run not in approximate]


def usable(rows: Sequence[RunRow]) -> list[RunRow]:
    """Runs that verdicts rest on: no repeats (they would count one result twice), finite losses.

    None at all if the baseline has none: there is then nothing to compare with.
    """
    found = [row for row in rows if row.repeat_of is None and has_loss(row)]
    return found if any(row.intervention == BASELINE for row in found) else []


def without_loss(rows: Sequence[RunRow]) -> list[RunRow]:
    """Runs that are no repeats and have no finite test loss. The report names every one."""
    return [row for row in rows if row.repeat_of is None and not has_loss(row)]


def with_residuals(
    rows: Sequence[RunRow], factors: Sequence[str] = (), approximate: Sequence[str] = ()
) -> list[RunRow]:
    """The rows, each run that verdicts rest on with its residual in nats."""
    model = fitted([row for row in exact(rows, approximate) if not of_design(row, factors)])
    if model is None:
        return list(rows)
    residual = model.residuals.to_dict()
    return [replace(row, residual=residual.get(row.run)) for row in rows]


def fitted(rows: Sequence[RunRow]) -> Fit | None:
    """The one model behind the verdicts; None if no run of the baseline has a finite loss."""
    table = _frame(usable(rows))
    return fit(table) if len(table) else None


def verdict_rows(rows: Sequence[RunRow], alpha: float) -> list[VerdictRow]:
    """One for each intervention of the study, also for those without any usable run."""
    table, model = _frame(usable(rows)), fitted(rows)
    found = {v.intervention: v for v in verdicts(table, alpha)} if model else {}
    residual_sd = model.residual_sd if model else None
    result = []
    for name in _interventions(rows):
        lost = tuple(row.run for row in without_loss(rows) if row.intervention == name)
        if name not in found:
            result.append(_unknown(name, lost))
            continue
        verdict = found[name]
        result.append(
            VerdictRow(
                intervention=name,
                runs=verdict.runs,
                effect=verdict.effect,
                low=verdict.low,
                high=verdict.high,
                p_value=verdict.p_value,
                verdict=verdict.verdict.value,
                smallest_visible=verdict.smallest_visible,
                seeds_low=verdict.seeds_low,
                seeds_high=verdict.seeds_high,
                degrees_of_freedom=verdict.degrees_of_freedom,
                se=verdict.se,
                residual_sd=residual_sd,
                runs_without_loss=lost,
            )
        )
    return result


def band_half_width(rows: Sequence[VerdictRow], alpha: float) -> float | None:
    """Half the noise band in nats: how far single runs of one recipe fall from its mean."""
    for row in rows:
        if row.residual_sd is not None and row.degrees_of_freedom:
            return float(stats.t.isf(alpha / 2, row.degrees_of_freedom)) * row.residual_sd
    return None


def _unknown(name: str, lost: tuple[str, ...]) -> VerdictRow:
    nothing = dict.fromkeys(VerdictRow.__dataclass_fields__)
    known = {
        "intervention": name,
        "runs": 0,
        "verdict": Call.NOT_ENOUGH_RUNS.value,
        "runs_without_loss": lost,
    }
    return VerdictRow(**{**nothing, **known})  # type: ignore[arg-type]


def noise(
    rows: Sequence[RunRow], pairs: dict[str, list[list[int]]], alpha: float
) -> list[NoiseComponent]:
    """The study's noise components: of seeds, over runs with exactly the baseline's recipe, and of
    machines, over all recipes, if any was run on several."""
    plain = [row for row in usable(rows) if row.intervention != BASELINE or not row.changes]
    table = _frame(plain)
    components: dict[str, Sequence[SeedPair]] = {
        name: [(init, train) for init, train in wanted] for name, wanted in pairs.items() if wanted
    }
    baseline = table["test_loss"][table["intervention"] == BASELINE]
    if baseline.empty:
        return [
            NoiseComponent(name, 0, 0, None, None, None, None, None, None, (), (), tuple(wanted))
            for name, wanted in components.items()
        ]
    found = noise_components(table, components, alpha)
    machine = machine_component(twins(rows), float(baseline.mean()), alpha)
    return found if machine is None else [*found, machine]


def shared_recipe(row: RunRow) -> tuple[object, ...]:
    """What twins and repeats share of their recipe: all but the microbatch."""
    changes = tuple(c for c in row.changes if not c.startswith("batch.microbatch="))
    return changes, row.init_seed, row.train_seed


def twins(rows: Sequence[RunRow]) -> list[dict[str, float]]:
    """Runs with a loss, grouped by what their recipes share: all but the microbatch.

    A repeat with its original's weights tells nothing new. One with other weights does: nothing
    but the machine can have made them.
    """
    groups: dict[tuple[object, ...], dict[str, float]] = {}
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        recipe = shared_recipe(row)
        if not has_loss(row) or (*recipe, row.weights_sha256) in seen:
            continue
        seen.add((*recipe, row.weights_sha256))
        assert row.test_loss is not None
        groups.setdefault(recipe, {})[row.run] = row.test_loss
    return list(groups.values())


def noise_rows(components: Sequence[NoiseComponent], rows: Sequence[RunRow]) -> list[NoiseRow]:
    """The components as rows of the noise table."""
    pair = {row.run: f"{row.init_seed}/{row.train_seed}" for row in rows}
    return [
        NoiseRow(
            component=component.name,
            n=component.n,
            degrees_of_freedom=component.degrees_of_freedom,
            mean=component.mean,
            sd=component.sd,
            sd_low=component.low,
            sd_high=component.high,
            minimum=component.minimum,
            maximum=component.maximum,
            seed_pairs=tuple(pair[run] for run in component.runs),
            runs=component.runs,
            points=component.points,
            missing_pairs=tuple(f"{init}/{train}" for init, train in component.missing),
        )
        for component in components
    ]


def stack_rows(
    rows: Sequence[RunRow], alpha: float, design: Mapping[frozenset[str], Estimate] | None = None
) -> list[StackRow]:
    """One for each intervention of several parts: what they promise one by one, and what it got.

    A run that continues another is none: it had more training than its parts, or other. `design`
    has the interactions of sets of parts, if the study has a factorial design.
    """
    runs = usable(rows)
    alone = {row.intervention for row in runs}
    stacks = {
        row.intervention: row.interventions
        for row in rows
        if len(row.interventions) > 1 and row.continues is None
    }
    missing = {
        stack: tuple(part for part in parts if part not in alone) for stack, parts in stacks.items()
    }
    complete = {
        stack: parts for stack, parts in stacks.items() if stack in alone and not missing[stack]
    }
    model = fitted(rows)
    found: dict[str, Additivity] = {}
    if complete:
        found = {one.stack: one for one in additivity(_frame(runs), complete, alpha)}
    result = []
    for stack, parts in stacks.items():
        one = found.get(stack)
        inner = (design or {}).get(frozenset(parts), Estimate())
        result.append(
            StackRow(
                stack=stack,
                parts=parts,
                missing_parts=missing[stack],
                predicted=one.predicted if one else None,
                got=model.effect({stack: 1.0}) if model and stack in alone else None,
                difference=one.difference if one else None,
                low=one.low if one else None,
                high=one.high if one else None,
                p_value=one.p_value if one else None,
                se=one.se if one else None,
                degrees_of_freedom=one.degrees_of_freedom if one else None,
                interactions=inner.value,
                interactions_low=inner.low,
                interactions_high=inner.high,
            )
        )
    return result


def _interventions(rows: Sequence[RunRow]) -> list[str]:
    return [name for name in dict.fromkeys(row.intervention for row in rows) if name != BASELINE]


def _frame(rows: Sequence[RunRow]) -> pd.DataFrame:
    return pd.DataFrame({name: [getattr(row, name) for row in rows] for name in COLUMNS})
