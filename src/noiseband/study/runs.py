"""The study as typed objects: its runs and the resolved recipe of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from noiseband.errors import UserError
from noiseband.study.architecture import Model
from noiseband.study.averages import snapshot_name, snapshot_names
from noiseband.study.config import Changes, Place, StudyConfig
from noiseband.study.evaluations import Evaluation, known_metrics
from noiseband.study.free_recipe import CommandRecipe, FreeRecipe
from noiseband.study.metrics import TEST_LOSS, NamedMetric, of_averages
from noiseband.study.mixtures import parts
from noiseband.study.paths import Paths
from noiseband.study.pretrained import PretrainedModel
from noiseband.study.recipe import BaselineRecipe, Recipe
from noiseband.study.section import Section
from noiseband.study.seeds import RunSeeds
from noiseband.study.vocabularies import vocabulary_of
from noiseband.study.weight_averages import average_names

AnyBaseline = TypeVar("AnyBaseline", bound=BaselineRecipe | FreeRecipe)

BASELINE = "baseline"
"""Intervention name of a run without interventions."""
CONTINUED = "continued"
"""Last part of the intervention name of a run that starts from another run's final weights."""
_ANYWHERE = Place()
"""The place of a run to which the config gives none."""


@dataclass(frozen=True)
class Run:
    """One training run."""

    name: str
    intervention: str
    """`baseline`, the name of an intervention or stack, or several names joined by `+`. For a run
    that continues another, the last name is `continued`, followed by details if it continues
    another run, or reads other tokens, than is usual."""
    interventions: tuple[str, ...]
    """The single interventions applied, in the order of the config."""
    recipe: Recipe | CommandRecipe
    difference: dict[str, list[Any]]
    """Recipe keys that differ from the baseline's, each with the baseline's value and this run's.
    For `continues`, the values are None and the name of the other run."""
    repeat_of: str | None = None
    continues: str | None = None
    """Name of the run whose final weights this one starts from."""
    approximate: bool = False
    """Whether the recipe only approximates one that is not fully known; verdicts ignore the run."""

    @property
    def built_in(self) -> Recipe:
        """The recipe of the built-in trainer. Raises UserError for a run that a command makes."""
        if isinstance(self.recipe, CommandRecipe):
            raise UserError(
                f"{self.name}: the study's trainer is a command, and this needs a run of the "
                "built-in trainer"
            )
        return self.recipe

    @property
    def seeds(self) -> RunSeeds:
        return self.recipe.seeds

    @property
    def start(self) -> str:
        """Name of the weights that the run starts from: initial weights, or `run:<other run>`."""
        return self.built_in.start if self.continues is None else f"run:{self.continues}"

    @property
    def model(self) -> Model:
        return self.built_in.model

    @property
    def corpus(self) -> str:
        """Name of the corpus that the run reads."""
        return self.built_in.data.corpus

    @property
    def attention(self) -> Literal["explicit", "sdpa"]:
        return self.built_in.attention


@dataclass(frozen=True)
class Study:
    """A validated study. Its runs are in the order of the report, with baselines first."""

    config: StudyConfig
    runs: dict[str, Run] = field(default_factory=dict)

    @cached_property
    def results(self) -> Path:
        return Path(self.config.results)

    @cached_property
    def paths(self) -> Paths:
        """Paths of the study's files."""
        return Paths(self.results)

    @property
    def distinct(self) -> list[Run]:
        """Runs that are not repeats."""
        return [run for run in self.runs.values() if run.repeat_of is None]

    @property
    def repeats(self) -> list[Run]:
        return [run for run in self.runs.values() if run.repeat_of is not None]

    @cached_property
    def starts(self) -> dict[str, Recipe]:
        """For each file of initial weights, by name: a recipe that starts from it."""
        runs = self.runs.values()
        if self.config.trainer is not None:
            return {}
        return {run.built_in.start: run.built_in for run in runs if run.continues is None}

    def start_file(self, run: Run) -> Path:
        """File of the weights that a run starts from."""
        if run.continues is not None:
            return self.paths.run(run.continues) / "model.safetensors"
        return self.paths.start(run.built_in.start)

    @cached_property
    def pretrained(self) -> dict[str, PretrainedModel]:
        """Pretrained models by name, in the order of the config."""
        return {
            name: PretrainedModel(name, source, self.config.built_in)
            for name, source in self.config.pretrained.items()
        }

    @cached_property
    def models(self) -> dict[str, Run | PretrainedModel]:
        """All models with a folder under `runs/`: the runs, then the pretrained models."""
        return {**self.runs, **self.pretrained}

    @cached_property
    def weights(self) -> dict[str, Run | PretrainedModel]:
        """All weights that are evaluated, by the name of their folder under `runs/`: those of the
        models, then the snapshots of the runs and the averages of their weights."""
        snapshots, averages = self.config.snapshots, self.config.averages
        kept = {
            name: run
            for run in self.runs.values()
            for name in (*snapshot_names(run.name, snapshots), *average_names(run.name, averages))
        }
        return {**self.models, **kept}

    def weights_file(self, name: str) -> Path:
        """File of the weights of this name; a run's snapshot 0 is its final weights."""
        run = self.weights[name].name
        folder = run if name == snapshot_name(run, 0) else name
        return self.paths.run(folder) / "model.safetensors"

    @cached_property
    def corpora(self) -> list[str]:
        """Names of the corpora that runs read or are measured on, in the order of the runs, then
        those of further evaluations, then those that are mixed."""
        if self.config.trainer is not None:
            return []
        read = dict.fromkeys(run.corpus for run in self.runs.values())
        measured = dict.fromkeys(map(self.measured_on, self.runs.values()))
        further = dict.fromkeys(window.corpus for window in self._further_losses if window.corpus)
        whole = read | measured | further
        mixed = dict.fromkeys(part for name in whole for part in parts(self.config.corpora, name))
        return list(whole | mixed)

    @cached_property
    def packed(self) -> list[tuple[str, int]]:
        """Each corpus that a run reads in packed sequences, with their context; sorted."""
        if self.config.trainer is not None:
            return []
        runs = self.runs.values()
        found = {(run.corpus, run.built_in.packed) for run in runs}
        return sorted((corpus, context) for corpus, context in found if context is not None)

    def training_tokens(self, run: Run) -> Path:
        """File of the tokens that a run reads."""
        return self.paths.training_tokens(run.corpus, run.built_in.packed)

    @property
    def read_corpora(self) -> list[str]:
        """Names of the corpora whose text or tokens are read: `corpora`, then those whose
        vocabularies they take."""
        known = self.config.corpora
        return list(
            dict.fromkeys([*self.corpora, *(vocabulary_of(known, name) for name in self.corpora)])
        )

    @property
    def _further_losses(self) -> list[Evaluation]:
        return [one.loss for one in self.config.evaluations.values() if one.loss is not None]

    def measured_on(self, model: Run | PretrainedModel) -> str:
        """Name of the corpus that contains the test window of a run or pretrained model."""
        return self.config.evaluation.corpus or model.corpus

    @cached_property
    def metrics(self) -> list[NamedMetric]:
        """The metrics that verdicts are about, the primary one first."""
        declared = self.config.metrics
        builtin, unit = self.config.trainer is None, self.config.evaluation.unit_text
        found = [NamedMetric.test_loss(self.config.margin, unit)] if builtin else []
        for name, known in known_metrics(self.config.evaluations).items():
            if name not in declared:
                found.append(NamedMetric(name=name, better=known.better, unit=known.unit))
        found += [NamedMetric(name=name, **dict(one)) for name, one in declared.items()]
        found += of_averages(found, self.config.averages, self.config.evaluations)
        usual = TEST_LOSS if builtin else next(one.name for one in found if not one.volatile)
        primary = self.config.primary or usual
        return sorted(found, key=lambda one: one.name != primary)

    def processes(self, run: Run) -> int:
        """Number of processes that train a run."""
        place = self.config.placement.get(run.name, _ANYWHERE)
        return place.processes or self.config.processes

    def machine(self, run: Run) -> str:
        """Name of the machine on which a run is trained."""
        place = self.config.placement.get(run.name, _ANYWHERE)
        return place.machine or self.config.machine

    @cached_property
    def finetuned(self) -> list[Run | PretrainedModel]:
        """Runs and pretrained models that are fine-tuned and judged."""
        if self.config.finetuning is None:
            return []
        chosen = self.config.finetuning.runs
        if chosen == "all":
            return [*self.distinct, *self.pretrained.values()]
        return [self.models[name] for name in chosen]


def trained_on(run: Run, runs: Mapping[str, Run]) -> Iterator[Run]:
    """Yield the runs whose tokens a run has seen: the run itself, the run that it continues, and so
    on, as long as they are in `runs`."""
    current: Run | None = run
    while current is not None:
        yield current
        current = None if current.continues is None else runs.get(current.continues)


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


def apply(recipe: AnyBaseline, changes: Changes) -> AnyBaseline:
    """Return a copy of the recipe with the values of the dotted keys in `changes` replaced.

    Another `kind` starts without the options that belong to the old one.

    Raises KeyError for an unknown key, and pydantic's ValidationError if the result is not valid.
    """
    data = recipe.whole()
    for dotted in changes:
        *sections, last = dotted.split(".")
        if last == "kind" and isinstance(recipe, BaselineRecipe):
            place: Any = data
            for name in sections:
                place = place[name]
            if "options" in place:
                place["options"] = {}
    for dotted, value in changes.items():
        *sections, last = dotted.split(".")
        section = data
        for name in sections:
            section = section[name]
        known = last in section and not isinstance(section[last], dict)
        if not known and not is_option(recipe, dotted):
            raise KeyError(dotted)
        section[last] = value
    return cast(AnyBaseline, type(recipe).model_validate(data))


def is_option(recipe: BaselineRecipe | FreeRecipe, dotted: str) -> bool:
    """Whether a key is an option of an idea, which a recipe need not have, such as
    `model.feed_forward.options.alpha`."""
    owner, _, name = dotted.rpartition(".")
    *sections, options = owner.split(".")
    place: Any = recipe
    for section in sections:
        place = getattr(place, section, None) if isinstance(place, Section) else None
    return (
        options == "options"
        and isinstance(place, Section)
        and "options" in type(place).model_fields
        and bool(name)
    )
