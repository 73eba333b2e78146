"""The study as typed objects: which runs there are and the resolved recipe of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noiseband.study.config import Changes, SeedPair, StudyConfig
from noiseband.study.recipe import BaselineRecipe, Recipe, difference

BASELINE = "baseline"
"""What the intervention of a run without any is called."""


@dataclass(frozen=True)
class Run:
    """One training run."""

    name: str
    intervention: str
    """`baseline`, the name of an intervention or stack, or several joined by `+`."""
    interventions: tuple[str, ...]
    """The single interventions applied, in the order of the config."""
    recipe: Recipe
    difference: dict[str, list[Any]]
    """Recipe keys that differ from the baseline's, each with both values."""
    repeat_of: str | None = None

    @property
    def seeds(self) -> tuple[int, int]:
        """(init_seed, train_seed)"""
        return self.recipe.init_seed, self.recipe.train_seed


@dataclass(frozen=True)
class Study:
    """A validated study. `runs` is ordered as they are reported: baselines first."""

    config: StudyConfig
    runs: dict[str, Run] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        return Path(self.config.results)

    @property
    def distinct(self) -> list[Run]:
        """Runs that are not repeats of another."""
        return [run for run in self.runs.values() if run.repeat_of is None]

    @property
    def repeats(self) -> list[Run]:
        return [run for run in self.runs.values() if run.repeat_of is not None]

    @property
    def starts(self) -> dict[str, Recipe]:
        """Every starting point (file of initial weights), with one recipe that begins there."""
        return {run.recipe.start: run.recipe for run in self.runs.values()}

    @property
    def finetuned(self) -> list[Run]:
        """Runs that are fine-tuned and judged."""
        if self.config.finetuning is None:
            return []
        chosen = self.config.finetuning.runs
        return self.distinct if chosen == "all" else [self.runs[name] for name in chosen]


def seed_pair(seed: SeedPair) -> tuple[int, int]:
    """`42` and `[42, 42]` are the same pair."""
    return (seed, seed) if isinstance(seed, int) else (seed[0], seed[1])


def run_name(intervention: str, pair: tuple[int, int]) -> str:
    """`baseline-42`, or `baseline-42-23` where the training seed is another."""
    init_seed, train_seed = pair
    return f"{intervention}-{init_seed}" + (f"-{train_seed}" if train_seed != init_seed else "")


def changes_of(name: str, interventions: dict[str, Changes | list[str]]) -> dict[str, Changes]:
    """The single interventions that `name` stands for, each with its changed keys."""
    value = interventions[name]
    if isinstance(value, dict):
        return {name: value}
    return {
        single: changes
        for part in value
        for single, changes in changes_of(part, interventions).items()
    }


def apply(recipe: BaselineRecipe, changes: Changes) -> BaselineRecipe:
    """The recipe with dotted keys replaced. Raises KeyError for a key that no recipe has, and
    pydantic's ValidationError for a value that makes no valid recipe."""
    data = recipe.model_dump()
    for dotted, value in changes.items():
        *sections, last = dotted.split(".")
        section = data
        for name in sections:
            section = section[name]
        if last not in section or isinstance(section[last], dict):
            raise KeyError(dotted)
        section[last] = value
    return BaselineRecipe.model_validate(data)


def expand(config: StudyConfig) -> list[Run]:
    """All runs of a study, in the order: noise, seeds of each intervention, named runs.

    A seed pair that several noise components name is one run; the caller reports two different
    runs with one name.
    """
    runs: list[Run] = []

    def add(
        names: list[str],
        pair: tuple[int, int],
        name: str | None = None,
        microbatch: int | None = None,
    ) -> None:
        singles = {k: v for n in names for k, v in changes_of(n, config.interventions).items()}
        recipe = config.recipe
        for changes in singles.values():
            recipe = apply(recipe, changes)
        if microbatch is not None:
            recipe = apply(recipe, {"batch.microbatch": microbatch})
        label = "+".join(names) or BASELINE
        runs.append(
            Run(
                name=name or run_name(label, pair),
                intervention=label,
                interventions=tuple(singles),
                recipe=Recipe(**dict(recipe), init_seed=pair[0], train_seed=pair[1]),
                difference=difference(config.recipe, recipe),
            )
        )

    noise = config.noise
    pairs = map(seed_pair, [*noise.init_and_train, *noise.train_only, *noise.init_only])
    baselines = map(seed_pair, config.seeds.get(BASELINE, []))
    for pair in dict.fromkeys([*pairs, *baselines]):
        add([], pair)
    for intervention in config.interventions:
        for seed in config.seeds.get(intervention, config.seeds.get("default", [])):
            add([intervention], seed_pair(seed))
    by_name = {run.name: run for run in runs}
    for entry in config.runs:
        if entry.repeat_of is None:
            assert entry.seed is not None  # the model demands one of the two
            add(entry.interventions, seed_pair(entry.seed), entry.name, entry.microbatch)
            by_name[runs[-1].name] = runs[-1]
    for entry in config.runs:
        if entry.repeat_of is not None:
            original = by_name[entry.repeat_of]
            runs.append(replace(original, name=entry.name, repeat_of=original.name))
    return runs
