"""The study as typed objects: which runs there are and the resolved recipe of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from noiseband.study.config import Changes, Place, RunEntry, SeedPair, StudyConfig
from noiseband.study.pretrained import PretrainedModel
from noiseband.study.recipe import BaselineRecipe, Model, Recipe, difference

BASELINE = "baseline"
"""What the intervention of a run without any is called."""
CONTINUED = "continued"
"""What is added to it for a run that starts from another's final weights."""


@dataclass(frozen=True)
class Run:
    """One training run."""

    name: str
    intervention: str
    """`baseline`, the name of an intervention or stack, or several joined by `+`; the last of them
    is `continued` where the run goes on from another, with how, where that is not plain."""
    interventions: tuple[str, ...]
    """The single interventions applied, in the order of the config."""
    recipe: Recipe
    difference: dict[str, list[Any]]
    """Recipe keys that differ from the baseline's, each with both values; `continues` by name."""
    repeat_of: str | None = None
    continues: str | None = None
    """The run whose final weights this one starts from."""
    approximate: bool = False
    """Whether the recipe only comes near the one that is meant; no verdict rests on the run."""

    @property
    def seeds(self) -> tuple[int, int]:
        """(init_seed, train_seed)"""
        return self.recipe.init_seed, self.recipe.train_seed

    @property
    def start(self) -> str:
        """Name of the weights that it starts from: initial ones, or `run:` and another's name."""
        return self.recipe.start if self.continues is None else f"run:{self.continues}"

    @property
    def model(self) -> Model:
        return self.recipe.model

    @property
    def corpus(self) -> str:
        """The corpus that it reads."""
        return self.recipe.data.corpus

    @property
    def attention(self) -> Literal["explicit", "sdpa"]:
        return self.recipe.attention


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
        runs = self.runs.values()
        return {run.recipe.start: run.recipe for run in runs if run.continues is None}

    def start_file(self, run: Run) -> Path:
        """The weights that a run starts from, below `results`."""
        if run.continues is not None:
            return Path("runs", run.continues, "model.safetensors")
        return Path("init", f"{run.recipe.start}.safetensors")

    @property
    def pretrained(self) -> dict[str, PretrainedModel]:
        """Models that others trained, in the order of the config."""
        return {
            name: PretrainedModel(name, source, self.config.recipe)
            for name, source in self.config.pretrained.items()
        }

    @property
    def models(self) -> dict[str, Run | PretrainedModel]:
        """All that has a folder under `runs/`: the runs, then the pretrained models."""
        return {**self.runs, **self.pretrained}

    @property
    def corpora(self) -> list[str]:
        """Names of the corpora that some run reads or is measured on, in the runs' order."""
        read = dict.fromkeys(run.corpus for run in self.runs.values())
        return list(read | dict.fromkeys(map(self.measured_on, self.runs.values())))

    def measured_on(self, model: Run | PretrainedModel) -> str:
        """The corpus that the test window of a run or pretrained model is cut from."""
        return self.config.evaluation.corpus or model.corpus

    def processes(self, run: Run) -> int:
        """How many processes train a run."""
        place = self.config.placement.get(run.name, Place())
        return place.processes or self.config.processes

    def machine(self, run: Run) -> str:
        """Name of the machine that a run is trained on."""
        place = self.config.placement.get(run.name, Place())
        return place.machine or self.config.machine

    @property
    def finetuned(self) -> list[Run | PretrainedModel]:
        """Runs and pretrained models that are fine-tuned and judged."""
        if self.config.finetuning is None:
            return []
        chosen = self.config.finetuning.runs
        if chosen == "all":
            return [*self.distinct, *self.pretrained.values()]
        return [self.models[name] for name in chosen]


def trained_on(run: Run, runs: Mapping[str, Run]) -> Iterator[Run]:
    """The runs whose tokens a run has seen: itself, the one that it goes on from, and so on as far
    as `runs` has them."""
    current: Run | None = run
    while current is not None:
        yield current
        current = None if current.continues is None else runs.get(current.continues)


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


def in_order(entries: Sequence[RunEntry], names: Iterable[str]) -> list[RunEntry]:
    """The entries, each after the run that it continues. `names` are runs that exist already.

    Repeats are left out, and so is what goes on from a run that is not there, or from itself.
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

    A seed pair that several noise components name is one run, and so is one that a design and
    another section ask for; the caller reports two different runs with one name.
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
    """The runs that no entry of `runs` names: noise, seeds of each intervention, design."""
    noise = config.noise
    pairs = map(seed_pair, [*noise.init_and_train, *noise.train_only, *noise.init_only])
    baselines = map(seed_pair, config.seeds.get(BASELINE, []))
    designed = [] if config.design is None else list(map(seed_pair, config.design.seeds))
    asked = dict.fromkeys([*pairs, *baselines, *designed])
    named = _named_baselines(config)
    runs = [_from_seeds(config, [], pair) for pair in asked if pair not in named]
    factors = [] if config.design is None else config.design.factors
    for intervention in config.interventions:
        usual = [] if intervention in factors else config.seeds.get("default", [])
        for seed in config.seeds.get(intervention, usual):
            runs.append(_from_seeds(config, [intervention], seed_pair(seed)))
    there = {run.name for run in runs}
    for names in design_sets(config):
        made = [_from_seeds(config, names, pair) for pair in designed]
        runs += [run for run in made if run.name not in there]
    return runs


def _named_baselines(config: StudyConfig) -> set[tuple[int, int]]:
    """Seed pairs of the baseline that runs of `runs` have, under names of their own."""
    usual = (None, config.recipe.batch.microbatch)
    return {
        seed_pair(entry.seed)
        for entry in config.runs
        if entry.plain and entry.seed is not None and entry.microbatch in usual
    }


def design_sets(config: StudyConfig) -> list[list[str]]:
    """What is on in each run of the study's design, the baseline first: a list of factors, or the
    name of the stack that has just these. Empty without a design."""
    if config.design is None:
        return []
    # Here, because most studies have no design and numerical libraries take long to import.
    from noiseband.stats.design import design

    stacks = {frozenset(v): k for k, v in config.interventions.items() if isinstance(v, list)}
    sets = design(config.design.factors, config.design.fraction).runs
    return [[stacks[frozenset(on)]] if frozenset(on) in stacks else list(on) for on in sets]


def _from_seeds(
    config: StudyConfig,
    names: list[str],
    pair: tuple[int, int],
    name: str | None = None,
    microbatch: int | None = None,
) -> Run:
    """The baseline with interventions, from initial weights."""
    singles = {k: v for n in names for k, v in changes_of(n, config.interventions).items()}
    recipe = config.recipe
    for changes in singles.values():
        recipe = apply(recipe, changes)
    if microbatch is not None:
        recipe = apply(recipe, {"batch.microbatch": microbatch})
    label = "+".join(names) or BASELINE
    return Run(
        name=name or run_name(label, pair),
        intervention=label,
        interventions=tuple(singles),
        recipe=Recipe(**dict(recipe), init_seed=pair[0], train_seed=pair[1]),
        difference=difference(config.recipe, recipe),
    )


def _named(config: StudyConfig, entry: RunEntry, runs: dict[str, Run]) -> Run:
    """A run with an entry of its own, from a seed or from the final weights of one of `runs`."""
    other = None if entry.continues is None else runs[entry.continues]
    if entry.seed is not None:
        pair = seed_pair(entry.seed)
    else:
        assert other is not None  # the model demands one of the two
        pair = other.seeds
    run = _from_seeds(config, entry.interventions, pair, entry.name, entry.microbatch)
    run = replace(run, approximate=entry.approximate)
    return run if other is None else _going_on(config, run, other, entry)


def _going_on(config: StudyConfig, run: Run, other: Run, entry: RunEntry) -> Run:
    """The run, moved to the final weights of `other` and the tokens after those that it read.

    The label tells apart all that differ in more than their seeds, since verdicts count runs of
    one label as one change.
    """
    data, label = run.recipe.data, [CONTINUED]
    start, tokens = data.start_token, data.train_tokens
    if data.corpus == other.recipe.data.corpus:
        start = other.recipe.stop_token
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
    recipe = run.recipe.model_copy(update={"data": data, "continues": other.recipe.digest})
    changed = {**difference(config.recipe, recipe), "continues": [None, other.name]}
    return replace(
        run,
        intervention=" ".join(label),
        recipe=recipe,
        difference=dict(sorted(changed.items())),
        continues=other.name,
    )
