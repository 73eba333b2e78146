"""The study as typed objects: which runs there are and the resolved recipe of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from noiseband.study.config import Changes, Place, StudyConfig
from noiseband.study.paths import Paths
from noiseband.study.pretrained import PretrainedModel
from noiseband.study.recipe import BaselineRecipe, Model, Recipe
from noiseband.study.seeds import SeedPair

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
    def paths(self) -> Paths:
        """Where its files are."""
        return Paths(self.results)

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
        """The weights that a run starts from."""
        if run.continues is not None:
            return self.paths.run(run.continues) / "model.safetensors"
        return self.paths.start(run.recipe.start)

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
    data = recipe.whole()
    for dotted, value in changes.items():
        *sections, last = dotted.split(".")
        section = data
        for name in sections:
            section = section[name]
        if last not in section or isinstance(section[last], dict):
            raise KeyError(dotted)
        section[last] = value
    return type(recipe).model_validate(data)
