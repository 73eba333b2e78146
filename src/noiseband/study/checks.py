"""Checks that no single section can make: names that must exist, changes that must change."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic import ValidationError

from noiseband.study.config import Changes, Corpus, StudyConfig
from noiseband.study.problems import Problem, from_pydantic, nearest, unknown_names
from noiseband.study.recipe import BaselineRecipe, flatten
from noiseband.study.runs import BASELINE, Run, apply, expand


def check(valid: dict[str, Any]) -> list[Problem]:
    """Problems across sections, as far as the sections that parsed allow.

    Args:
        valid: section name to its parsed value, without the sections that did not parse.
    """
    problems: list[Problem] = []
    corpora = valid.get("corpora", {})
    if "recipe" in valid and corpora:
        problems += _corpus(valid["recipe"], corpora, "recipe")
        if problems:
            corpora = {}  # said once: every intervention inherits the mistake
    if {"recipe", "interventions"} <= valid.keys():
        found = _interventions(valid["recipe"], valid["interventions"], corpora)
        problems += found
        if {"runs", "seeds", "noise"} <= valid.keys():
            faulty = {problem.key.split(".")[1] for problem in found}
            problems += _runs(valid, faulty)
    if valid.get("finetuning") is not None:
        for name, protocol in valid["finetuning"].protocols.items():
            key = f"finetuning.protocols.{name}.instructions"
            problems += unknown_names(key, protocol.instructions, valid["finetuning"].instructions)
    return problems


def _corpus(recipe: BaselineRecipe, corpora: dict[str, Corpus], key: str) -> list[Problem]:
    """The corpus must exist and its tokenizer have the model's vocabulary."""
    name = recipe.data.corpus
    if name not in corpora:
        return unknown_names(f"{key}.data.corpus", name, corpora)
    size = corpora[name].tokenizer.size
    if recipe.model.vocabulary == size:
        return []
    remedy = f"the tokenizer of corpus {name} has {size} ids; write {size}"
    return [Problem(f"{key}.model.vocabulary", recipe.model.vocabulary, remedy)]


def _interventions(
    recipe: BaselineRecipe,
    interventions: dict[str, Changes | list[str]],
    corpora: dict[str, Corpus],
) -> list[Problem]:
    problems: list[Problem] = []
    for name, value in interventions.items():
        key = f"interventions.{name}"
        if name == BASELINE:
            problems.append(Problem(key, None, "the name is taken: call it another"))
        elif isinstance(value, list):
            problems += _stack(key, value, interventions)
        else:
            problems += _changes(recipe, key, value, corpora)
    return problems


def _changes(
    recipe: BaselineRecipe, key: str, changes: Changes, corpora: dict[str, Corpus]
) -> list[Problem]:
    """A single intervention must name recipe keys, change them, and leave a valid recipe."""
    keys = flatten(recipe.model_dump())
    problems: list[Problem] = []
    for dotted, value in changes.items():
        if dotted not in keys:
            remedy = f"no such recipe key; {nearest(dotted, keys)}"
            problems.append(Problem(f"{key}.{dotted}", value, remedy))
        elif keys[dotted] == value and type(keys[dotted]) is type(value):
            problems.append(
                Problem(f"{key}.{dotted}", value, "the baseline has this value already")
            )
    if not changes:
        problems.append(Problem(key, None, "changes nothing; give it a recipe key and a value"))
    if problems:
        return problems
    try:
        changed = apply(recipe, changes)
    except ValidationError as error:
        return from_pydantic(error, key, BaselineRecipe)
    if changed == recipe:
        return [Problem(key, None, "changes nothing: equal to the baseline")]
    return _corpus(changed, corpora, key) if corpora else []


def _stack(
    key: str, parts: list[str], interventions: dict[str, Changes | list[str]]
) -> list[Problem]:
    """A stack must name two or more single interventions that do not contradict each other."""
    problems: list[Problem] = []
    set_by: dict[str, str] = {}
    for position, part in enumerate(parts):
        place = f"{key}.{position}"
        problems += unknown_names(place, part, interventions)
        changes = interventions.get(part, {})
        if isinstance(changes, list):
            remedy = "a stack of stacks; list the single interventions instead"
            problems.append(Problem(place, part, remedy))
            continue
        for dotted, value in changes.items():
            other = interventions[set_by.setdefault(dotted, part)]
            if other[dotted] != value:  # type: ignore[call-overload]
                remedy = f"contradicts {set_by[dotted]}: both set {dotted}; leave one out"
                problems.append(Problem(place, part, remedy))
    if len(parts) < 2:
        problems.append(Problem(key, parts, "a stack needs two or more interventions"))
    return problems


def _runs(valid: dict[str, Any], faulty: set[str]) -> list[Problem]:
    """Names of runs and what refers to them; `faulty` interventions are expanded as empty."""
    problems: list[Problem] = []
    interventions, entries = valid["interventions"], valid["runs"]
    for name in valid["seeds"]:
        problems += unknown_names(f"seeds.{name}", name, ["default", BASELINE, *interventions])
    for position, entry in enumerate(entries):
        for place, name in enumerate(entry.interventions):
            problems += unknown_names(f"runs.{position}.interventions.{place}", name, interventions)
    if problems:
        return problems
    config = StudyConfig.model_construct(
        recipe=valid["recipe"],
        interventions={k: {} if k in faulty else v for k, v in interventions.items()},
        seeds=valid["seeds"],
        noise=valid["noise"],
        runs=[entry for entry in entries if entry.repeat_of is None],
    )
    try:
        runs = expand(config)
    except ValidationError as error:
        # Each change is valid alone, so a combination, or a run's own microbatch, is at fault.
        return from_pydantic(error, "runs", BaselineRecipe)
    names = [run.name for run in runs]
    for position, entry in enumerate(entries):
        if entry.repeat_of is not None:
            problems += unknown_names(f"runs.{position}.repeat_of", entry.repeat_of, names)
    names += [entry.name for entry in entries if entry.repeat_of is not None]
    for name, count in Counter(names).items():
        if count > 1:
            remedy = f"{count} runs have this name; rename or remove one"
            problems.append(Problem("runs", name, remedy))
    if "baseline" in valid:
        problems += unknown_names("baseline", valid["baseline"], names)
    if valid.get("finetuning") is not None and valid["finetuning"].runs != "all":
        for position, name in enumerate(valid["finetuning"].runs):
            problems += unknown_names(f"finetuning.runs.{position}", name, names)
    if not faulty:
        problems += _same_recipe(runs)
    return problems + _enough_tokens(runs, valid.get("corpora", {}))


def _same_recipe(runs: list[Run]) -> list[Problem]:
    """Two runs of one recipe are either a repeat, and must say so, or a mistake."""
    owner: dict[str, str] = {}
    problems = []
    for run in runs:
        other = owner.setdefault(run.recipe.digest, run.name)
        if other != run.name:
            remedy = f"has the recipe of {other}; make it repeat_of: {other}, or remove it"
            problems.append(Problem("runs", run.name, remedy))
    return problems


def _enough_tokens(runs: list[Run], corpora: dict[str, Corpus]) -> list[Problem]:
    problems = []
    for name, corpus in corpora.items():
        readers = [run for run in runs if run.recipe.data.corpus == name]
        if corpus.tokens is None or not readers:
            continue
        farthest = max(readers, key=lambda run: run.recipe.last_token)
        if farthest.recipe.last_token > corpus.tokens.train:
            remedy = (
                f"run {farthest.name} reads to token {farthest.recipe.last_token:,} but the "
                f"training split of corpus {name} has {corpus.tokens.train:,}; lower it"
            )
            value = farthest.recipe.data.train_tokens
            problems.append(Problem("recipe.data.train_tokens", value, remedy))
    return problems
