"""The runs of a config: from `noise`, `seeds` and `design`, and the entries of `runs`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from noiseband.study.config import Changes, Noise, RunEntry, StudyConfig
from noiseband.study.free_recipe import CommandRecipe, FreeRecipe, free_difference
from noiseband.study.ideas import with_code
from noiseband.study.recipe import BaselineRecipe, Recipe, difference
from noiseband.study.runs import BASELINE, CONTINUED, Run, apply, changes_of
from noiseband.study.seeds import RunSeeds, WrittenSeeds, run_seeds
from noiseband.study.trainer import Trainer


def in_order(entries: Sequence[RunEntry], names: Iterable[str]) -> list[RunEntry]:
    """The entries, each after the run that it continues. `names` are runs that exist already.

    Repeats are left out, and so are entries that continue an unknown run or are part of a circle.
    """
    known, found = set(names), list[RunEntry]()
    waiting = [entry for entry in entries if entry.repeat_of is None]
    while ready := [e for e in waiting if e.continues is None or e.continues in known]:
        found += ready
        known |= {entry.name for entry in ready}
        waiting = [entry for entry in waiting if entry not in ready]
    return found


def expand(config: StudyConfig) -> list[Run]:
    """All runs of a study: noise, seeds of each intervention, design, named runs, repeats.

    If several noise components name the same seeds, or a design and another section ask for the
    same run, there is one run. The caller reports two different runs that have one name.
    """
    runs = seeded(config)
    by_name = {run.name: run for run in runs}
    named: list[tuple[int, Run]] = []
    for entry in in_order(config.runs, by_name):
        run = _named(config, entry, by_name)
        by_name[run.name] = run
        named.append((config.runs.index(entry), run))
    runs += [run for _, run in sorted(named, key=lambda one: one[0])]
    for entry in config.runs:
        if entry.repeat_of is not None:
            original = by_name[entry.repeat_of]
            runs.append(replace(original, name=entry.name, repeat_of=original.name))
    return runs


def seeded(config: StudyConfig) -> list[Run]:
    """The runs that no entry of `runs` defines: noise, seeds of each intervention, design."""
    designed = [] if config.design is None else config.design.seeds
    asked = [*noise_seeds(config.noise), *config.seeds.get(BASELINE, []), *designed]
    named = _named_baselines(config)
    baseline = _Arm.of(config, [])
    wanted = dict.fromkeys(baseline_seeds(config.recipe, one) for one in asked)
    runs = [baseline.run(seeds) for seeds in wanted if seeds not in named]
    factors = [] if config.design is None else config.design.factors
    for intervention in config.interventions:
        usual = [] if intervention in factors else config.seeds.get("default", [])
        if entries := config.seeds.get(intervention, usual):
            arm = _Arm.of(config, [intervention])
            runs += [arm.run(run_seeds(one)) for one in entries]
    there = {run.name for run in runs}
    for names in design_sets(config):
        arm = _Arm.of(config, names)
        made = [arm.run(run_seeds(one)) for one in designed]
        runs += [run for run in made if run.name not in there]
    return runs


def noise_seeds(noise: Noise) -> list[WrittenSeeds]:
    """The seeds of all sources of noise, in the order in which their runs are shown."""
    return [*noise.init_and_train, *noise.train_only, *noise.data_only, *noise.init_only]


def baseline_seeds(recipe: BaselineRecipe | FreeRecipe, written: WrittenSeeds) -> RunSeeds:
    """The seeds of a baseline run for seeds as a config writes them."""
    if isinstance(recipe, FreeRecipe):
        return run_seeds(written)
    return Recipe.of(recipe, run_seeds(written)).seeds


def _named_baselines(config: StudyConfig) -> set[RunSeeds]:
    """Seeds of the baseline runs that entries of `runs` define under names of their own."""
    usual: tuple[int | None, ...] = (None,)
    if not isinstance(config.recipe, FreeRecipe):
        usual = (None, config.recipe.batch.microbatch)
    return {
        baseline_seeds(config.recipe, entry.seed)
        for entry in config.runs
        if entry.plain and entry.seed is not None and entry.microbatch in usual
    }


def design_sets(config: StudyConfig) -> list[list[str]]:
    """The interventions of each run of the study's design, the baseline first: a list of factors,
    or the one stack that consists of these factors. Empty if the study has no design."""
    if config.design is None:
        return []
    # Imported here because most studies have no design, and numerical libraries import slowly.
    from noiseband.stats.design import design

    stacks = {frozenset(v): k for k, v in config.interventions.items() if isinstance(v, list)}
    sets = design(config.design.factors, config.design.fraction).runs
    return [[stacks[frozenset(on)]] if frozenset(on) in stacks else list(on) for on in sets]


def recipe_of(config: StudyConfig, names: Sequence[str]) -> BaselineRecipe | FreeRecipe:
    """The baseline's recipe with interventions or stacks applied, and the digests of its ideas."""
    recipe = config.recipe
    for changes in _singles(config, names).values():
        recipe = apply(recipe, changes)
    return recipe if isinstance(recipe, FreeRecipe) else with_code(recipe, config.plugins)


def _singles(config: StudyConfig, names: Sequence[str]) -> dict[str, Changes]:
    """The single interventions that `names` stand for, each with its changed keys."""
    changed = [name for name in names if name != BASELINE]
    return {k: v for name in changed for k, v in changes_of(name, config.interventions).items()}


@dataclass(frozen=True)
class _Arm:
    """The baseline with interventions, before a run of it gets its seeds."""

    label: str
    interventions: tuple[str, ...]
    recipe: BaselineRecipe | FreeRecipe
    difference: dict[str, list[Any]]
    trainer: Trainer | None

    @classmethod
    def of(cls, config: StudyConfig, names: list[str], microbatch: int | None = None) -> _Arm:
        """The baseline with the named interventions, in microbatches of another size if given."""
        recipe = recipe_of(config, names)
        if microbatch is not None:
            recipe = apply(recipe, {"batch.microbatch": microbatch})
        label = "+".join(names) or BASELINE
        singles = tuple(_singles(config, names))
        changes = _difference(config.recipe, recipe)
        return cls(label, singles, recipe, changes, config.trainer)

    def run(self, seeds: RunSeeds, name: str | None = None) -> Run:
        """A run that starts from initial weights."""
        recipe = self._with(seeds)
        return Run(
            name=name or f"{self.label}-{recipe.seeds.suffix}",
            intervention=self.label,
            interventions=self.interventions,
            recipe=recipe,
            difference=self.difference,
        )

    def _with(self, seeds: RunSeeds) -> Recipe | CommandRecipe:
        """The recipe with these seeds."""
        if not isinstance(self.recipe, FreeRecipe):
            return Recipe.of(self.recipe, seeds)
        assert self.trainer is not None  # `load` reads a free recipe only with a trainer.
        taken = tuple(self.trainer.seeds)
        return CommandRecipe(self.recipe.whole(), seeds, taken, self.trainer.sha256)


def _difference(
    recipe: BaselineRecipe | FreeRecipe, other: BaselineRecipe | FreeRecipe
) -> dict[str, list[Any]]:
    """Sorted dotted keys in which two recipes of one kind differ, each with both values."""
    if isinstance(recipe, FreeRecipe):
        assert isinstance(other, FreeRecipe)
        return free_difference(recipe, other)
    assert not isinstance(other, FreeRecipe)
    return difference(recipe, other)


def _named(config: StudyConfig, entry: RunEntry, runs: dict[str, Run]) -> Run:
    """The run of an entry, starting from a seed or from the final weights of one of `runs`."""
    other = None if entry.continues is None else runs[entry.continues]
    if entry.seed is not None:
        seeds = run_seeds(entry.seed)
    else:
        assert other is not None  # RunEntry requires one of the two.
        seeds = other.seeds
    run = _Arm.of(config, entry.interventions, entry.microbatch).run(seeds, entry.name)
    run = replace(run, approximate=entry.approximate)
    return run if other is None else _going_on(config, run, other, entry)


def _going_on(config: StudyConfig, run: Run, other: Run, entry: RunEntry) -> Run:
    """The run, changed to start from the final weights of `other` and the tokens after its last.

    Runs that differ in more than their seeds get different labels, since verdicts count the runs of
    one label as one change.
    """
    recipe, before = run.built_in, other.built_in
    data, label = recipe.data, [CONTINUED]
    start, tokens = data.start_token, data.train_tokens
    if (data.corpus, recipe.packed) == (before.data.corpus, before.packed):
        start = before.stop_token
    if run.intervention != BASELINE:
        label = [f"{run.intervention}+{CONTINUED}"]
    if run.intervention != other.intervention:
        label.append(f"from {other.intervention}")
    if entry.start_token not in (None, start):
        start = entry.start_token
        label.append(f"at token {start:,}")
    if entry.train_tokens not in (None, tokens):
        tokens = entry.train_tokens
        label.append(f"for {tokens:,} tokens")
    data = data.model_copy(update={"start_token": start, "train_tokens": tokens})
    recipe = recipe.model_copy(update={"data": data, "continues": before.digest})
    changed = {**difference(config.built_in, recipe), "continues": [None, other.name]}
    return replace(
        run,
        intervention=" ".join(label),
        recipe=recipe,
        difference=dict(sorted(changed.items())),
        continues=other.name,
    )
