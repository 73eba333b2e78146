"""Checks that another seed makes another run: a seed that changes nothing measures no noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noiseband.study.config import Noise, StudyConfig
from noiseband.study.expand import design_sets, recipe_of
from noiseband.study.free_recipe import CommandRecipe, FreeRecipe
from noiseband.study.problems import Problem
from noiseband.study.recipe import BaselineRecipe
from noiseband.study.runs import BASELINE, Run
from noiseband.study.section import written
from noiseband.study.seeds import RunSeeds, WrittenSeeds, run_seeds

VARIED = {"train_only": "train_seed", "data_only": "data_seed", "init_only": "init_seed"}
"""The seed that alone varies in a source of noise. All vary in `init_and_train`."""
REMEDY = "remove one, or give it another init_seed"
"""What to do about two entries that make one run."""


def inert_seeds(recipe: BaselineRecipe | FreeRecipe, taken: Sequence[str] = ()) -> dict[str, str]:
    """The seeds that change no bit of a run with this recipe, each with the reason.

    The init_seed draws the initial weights, the data_seed the order of shuffled data, and the
    train_seed the masks of dropout, which are the only random numbers after initialisation. Of a
    trainer of one's own, these are the seeds that it does not read: all except those `taken`.
    """
    if isinstance(recipe, FreeRecipe):
        others = [name for name in RunSeeds._fields if name not in taken]
        return dict.fromkeys(others, "trainer.seeds leaves it out")
    inert = {}
    if recipe.data.order == "sequential":
        inert["data_seed"] = "data.order is sequential"
    if recipe.model.dropout == 0:
        inert["train_seed"] = "model.dropout is 0"
    return inert


def check_seeds(config: StudyConfig) -> list[Problem]:
    """Return the problems with seeds under `noise`, `seeds` and `design`.

    Raises pydantic's ValidationError if interventions do not go together.
    """
    problems = [*_not_taken(config), *_noise(config)]
    factors = [] if config.design is None else config.design.factors
    usual = [one for one in config.interventions if one not in {*config.seeds, *factors}]
    arms = {name: [name] for name in config.seeds if name not in ("default", BASELINE)}
    arms |= {"default": usual, BASELINE: [BASELINE]}
    for source, entries in config.seeds.items():
        equal = _equal(config, {name: [name] for name in arms[source]}, entries)
        if equal:
            names = ", ".join(equal)
            remedy = f"{names}: {next(iter(equal.values()))}; {REMEDY}"
            if source == "default":
                remedy += f", or list the seeds of {names} under seeds.<name>"
            problems.append(Problem(f"seeds.{source}", entries, remedy))
    if config.design is not None:
        sets = {"+".join(names) or BASELINE: names for names in design_sets(config)}
        for label, alike in list(_equal(config, sets, config.design.seeds).items())[:1]:
            remedy = f"{label}: {alike}; {REMEDY}"
            problems.append(Problem("design.seeds", config.design.seeds, remedy))
    return problems


def _equal(
    config: StudyConfig, arms: Mapping[str, Sequence[str]], entries: Sequence[WrittenSeeds]
) -> dict[str, str]:
    """The arms, given by their interventions, that have two equal runs on the seeds, each with what
    is wrong."""
    if len(entries) < 2:
        return {}
    taken = _taken(config)
    found = {
        name: _alike(inert_seeds(recipe_of(config, names), taken), entries)
        for name, names in arms.items()
    }
    return {name: alike for name, alike in found.items() if alike}


def check_equal_runs(runs: Sequence[Run], named: Sequence[str]) -> list[Problem]:
    """Check that no two runs differ only in a seed that changes nothing.

    Args:
        runs: runs of the study, without repeats.
        named: names of the entries of `runs`, in the order of the config.
    """
    owner: dict[str, Run] = {}
    problems = []
    for run in runs:
        if isinstance(run.recipe, CommandRecipe):
            continue  # A seed that it does not read is not in its recipe.
        inert = inert_seeds(run.recipe)
        if "train_seed" not in inert:  # A data_seed that changes nothing is not in the recipe.
            continue
        other = owner.setdefault(run.recipe.model_copy(update={"train_seed": 0}).digest, run)
        if other.recipe != run.recipe:
            key = f"runs.{named.index(run.name)}.seed" if run.name in named else "runs"
            said = f"{run.name} and {other.name} differ only in {_in_vain(['train_seed'], inert)}"
            problems.append(Problem(key, run.seeds.written, f"{said}; {REMEDY}"))
    return problems


def _taken(config: StudyConfig) -> Sequence[str]:
    """The seeds that a trainer of one's own reads."""
    return () if config.trainer is None else config.trainer.seeds


def _not_taken(config: StudyConfig) -> list[Problem]:
    """Check that no entry gives a seed of its own to what the trainer does not read."""
    if config.trainer is None:
        return []
    taken = config.trainer.seeds
    places = [(f"noise.{source}", entries) for source, entries in config.noise]
    places += [(f"seeds.{name}", entries) for name, entries in config.seeds.items()]
    places += [
        (f"runs.{place}.seed", [] if entry.seed is None else [entry.seed])
        for place, entry in enumerate(config.runs)
    ]
    if config.design is not None:
        places.append(("design.seeds", config.design.seeds))
    problems = []
    for key, entries in places:
        for entry in entries:
            seeds = run_seeds(entry)
            given = {getattr(seeds, name) for name in taken}
            vain = [
                name
                for name in RunSeeds._fields
                if name not in taken and getattr(seeds, name) not in given
            ]
            if vain:
                remedy = (
                    f"gives {vain[0]} a value of its own, and trainer.seeds leaves it out; write "
                    "one number, or have the command read the seed and name it there"
                )
                problems.append(Problem(key, entry, remedy))
    return problems


def _noise(config: StudyConfig) -> list[Problem]:
    """Check that the runs of each source of noise differ in its seed, and in no other."""
    inert, problems = inert_seeds(config.recipe, _taken(config)), []
    for source, entries in config.noise:
        own = VARIED.get(source)
        if own is not None and own in inert and len(entries) > 1:
            usable = [one for one in Noise.model_fields if VARIED.get(one) not in inert]
            said = f"{own} changes nothing while {inert[own]}"
            remedy = f"{said}; leave {source} out, or use one of {', '.join(usable)}"
        elif own is not None and (other := _other_that_varies(entries, own, inert)):
            form = [name for name in RunSeeds._fields if name != "data_seed" or name not in inert]
            remedy = f"{other} varies too; write [{', '.join(form)}], with one {other} for all"
        elif alike := _alike(inert, entries):
            remedy = f"{alike}; {REMEDY}"
        else:
            continue
        problems.append(Problem(f"noise.{source}", entries, remedy))
    return problems


def _other_that_varies(entries: Sequence[WrittenSeeds], own: str, inert: dict[str, str]) -> str:
    """The first seed besides `own` that matters and varies; empty if there is none."""
    seeds = [run_seeds(entry) for entry in entries]
    others = [name for name in RunSeeds._fields if name != own and name not in inert]
    return next((name for name in others if len({getattr(s, name) for s in seeds}) > 1), "")


def _alike(inert: dict[str, str], entries: Sequence[WrittenSeeds]) -> str:
    """What is wrong with the first entry that makes the run of an earlier one; empty if none.
    `inert` has the seeds that change nothing."""
    first: dict[tuple[int, ...], WrittenSeeds] = {}
    for entry in entries:
        seeds = run_seeds(entry)
        matter = tuple(getattr(seeds, name) for name in RunSeeds._fields if name not in inert)
        if matter not in first:
            first[matter] = entry
            continue
        other = first[matter]
        both = f"{written(other)} and {written(entry)}"
        pairs = zip(RunSeeds._fields, run_seeds(other), seeds, strict=True)
        differ = [name for name, theirs, mine in pairs if theirs != mine]
        return f"{both} differ only in {_in_vain(differ, inert)}" if differ else f"{both} are equal"
    return ""


def _in_vain(seeds: Sequence[str], inert: dict[str, str]) -> str:
    """The names of seeds, and why they change nothing."""
    verb, reasons = "change" if len(seeds) > 1 else "changes", [inert[name] for name in seeds]
    return f"{' and '.join(seeds)}, which {verb} nothing while {' and '.join(reasons)}"
