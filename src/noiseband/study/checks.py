"""Checks across sections: names must exist, and interventions must change something.

The checks of runs are in `run_checks`.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from noiseband.errors import nearest
from noiseband.study.averages import check_averages
from noiseband.study.config import Changes, Design
from noiseband.study.corpora import AnyCorpus
from noiseband.study.free_recipe import FreeRecipe
from noiseband.study.ideas import check_ideas, check_measured
from noiseband.study.metrics import check_metrics
from noiseband.study.mixtures import check_mixtures
from noiseband.study.plugins import Plugin, read_plugins
from noiseband.study.pretrained import check_pretrained
from noiseband.study.problems import Problem, from_pydantic, unknown_names
from noiseband.study.recipe import BaselineRecipe
from noiseband.study.run_checks import check_runs
from noiseband.study.runs import BASELINE, CONTINUED, apply, is_option
from noiseband.study.section import flatten
from noiseband.study.trainer_checks import check_trainer
from noiseband.study.vocabularies import check_vocabularies, tokenizer_of
from noiseband.study.weight_averages import check_weight_averages

LONGEST_SET = 200
"""Most characters for the interventions in a run's name, which is also a folder's name."""


def check(valid: dict[str, Any]) -> list[Problem]:
    """Return the problems across sections, checking only the sections that parsed.

    Args:
        valid: section name to its parsed value, without the sections that did not parse.
    """
    problems = check_trainer(valid)
    if problems:
        return problems  # Other checks would read the files, or be about what has to go.
    plugins, faulty_plugins = read_plugins(valid.get("plugins", []))
    corpora_at_fault = check_vocabularies(valid.get("corpora", {})) or check_mixtures(
        valid.get("corpora", {})
    )
    problems += faulty_plugins + corpora_at_fault
    if corpora_at_fault:
        valid = {**valid, "corpora": {}}  # Other checks follow from one corpus to the next.
    corpora = valid.get("corpora", {})
    if "recipe" in valid and corpora:
        problems += _corpus(valid["recipe"], corpora, "recipe")
        if problems:
            corpora = {}  # Every intervention inherits the mistake; report it once.
        else:
            tokenizer = tokenizer_of(corpora, valid["recipe"].data.corpus)
            problems += check_pretrained(valid["recipe"], tokenizer, valid.get("pretrained", {}))
    if {"recipe", "interventions"} <= valid.keys():
        known = None if faulty_plugins else plugins
        found = _ideas_of_baseline(valid["recipe"], known)
        problems += found
        if found:
            known = None  # Every intervention inherits the mistake; report it once.
        found = _interventions(valid["recipe"], valid["interventions"], corpora, known)
        problems += found
        if valid.get("design") is not None:
            found_in_design = _design(valid["design"], valid["interventions"])
            problems += found_in_design
            if found_in_design:
                valid = {**valid, "design": None}
        # The digests of ideas are part of runs, and there are none of ideas with a mistake.
        if {"runs", "seeds", "noise"} <= valid.keys() and known is not None:
            faulty = {problem.key.split(".")[1] for problem in found}
            problems += check_runs(valid, faulty)
    if not faulty_plugins:
        problems += check_measured(valid.get("evaluations", {}), plugins)
    problems += check_metrics(valid, builtin=valid.get("trainer") is None)
    problems += check_averages(valid)
    problems += check_weight_averages(valid)
    if valid.get("finetuning") is not None:
        for name, protocol in valid["finetuning"].protocols.items():
            key = f"finetuning.protocols.{name}.instructions"
            problems += unknown_names(key, protocol.instructions, valid["finetuning"].instructions)
    return problems


def _corpus(recipe: BaselineRecipe, corpora: dict[str, AnyCorpus], key: str) -> list[Problem]:
    """Check that the corpus exists and that its tokenizer has the model's vocabulary size."""
    name = recipe.data.corpus
    if name not in corpora:
        return unknown_names(f"{key}.data.corpus", name, corpora)
    facts = tokenizer_of(corpora, name).facts
    if facts is None:
        return []  # The file is on the Hub; `check_data` reads it.
    model = recipe.model
    if model.vocabulary != facts.size:
        remedy = f"the tokenizer of corpus {name} has {facts.size} ids; write {facts.size}"
        return [Problem(f"{key}.model.vocabulary", model.vocabulary, remedy)]
    if model.attention.documents and model.end_of_text != facts.end_of_text:
        remedy = f"the end of text of corpus {name} is {facts.end_of_text}; write that"
        place = f"{key}.model.attention.end_of_text"
        return [Problem(place, model.attention.end_of_text, remedy)]
    return []


def _ideas_of_baseline(
    recipe: BaselineRecipe | FreeRecipe, plugins: dict[str, Plugin] | None
) -> list[Problem]:
    if plugins is None or isinstance(recipe, FreeRecipe):
        return []
    return check_ideas(recipe, plugins, "recipe")


def _interventions(
    recipe: BaselineRecipe | FreeRecipe,
    interventions: dict[str, Changes | list[str]],
    corpora: dict[str, AnyCorpus],
    plugins: dict[str, Plugin] | None,
) -> list[Problem]:
    """The problems of interventions; those of their ideas only if the `plugins` are known."""
    problems: list[Problem] = []
    for name, value in interventions.items():
        key = f"interventions.{name}"
        if name in (BASELINE, CONTINUED):
            problems.append(Problem(key, None, "noiseband uses this name itself; choose another"))
        elif isinstance(value, list):
            problems += _stack(key, value, interventions)
        else:
            problems += _changes(recipe, key, value, corpora, plugins)
    return problems


def _changes(
    recipe: BaselineRecipe | FreeRecipe,
    key: str,
    changes: Changes,
    corpora: dict[str, AnyCorpus],
    plugins: dict[str, Plugin] | None,
) -> list[Problem]:
    """A single intervention must name recipe keys, change them, and leave a valid recipe."""
    keys = flatten(recipe.whole())
    problems: list[Problem] = []
    for dotted, value in changes.items():
        if dotted not in keys and is_option(recipe, dotted):
            continue
        if dotted not in keys:
            remedy = f"no such recipe key; {nearest(dotted, keys)}"
            if is_option(recipe, f"{dotted}.name"):
                remedy = f"is a section of the recipe; name an option in it, as in {dotted}.share"
            if inside := [k for k in keys if k.startswith(f"{dotted}.")]:
                remedy = f"is a section of the recipe; name a key in it, such as {inside[0]}"
            problems.append(Problem(f"{key}.{dotted}", value, remedy))
        elif isinstance(value, dict) and isinstance(recipe, FreeRecipe):
            remedy = f"is a mapping, but {dotted} is a single value in the recipe; write a value"
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
        return from_pydantic(error, key, type(recipe))
    if isinstance(changed, FreeRecipe):
        return []  # It differs in the JSON of a key, as checked above.
    if changed == recipe:
        return [Problem(key, None, "changes nothing: its recipe is equal to the baseline's")]
    found = _corpus(changed, corpora, key) if corpora else []
    return found if plugins is None else [*found, *check_ideas(changed, plugins, key)]


def _stack(
    key: str, parts: list[str], interventions: dict[str, Changes | list[str]]
) -> list[Problem]:
    """Check that a stack names two or more single interventions that do not conflict."""
    problems: list[Problem] = []
    set_by: dict[str, str] = {}
    for position, part in enumerate(parts):
        place = f"{key}.{position}"
        problems += unknown_names(place, part, interventions)
        changes = interventions.get(part, {})
        if isinstance(changes, list):
            remedy = "is itself a stack; list its single interventions instead"
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


def _design(design: Design, interventions: dict[str, Changes | list[str]]) -> list[Problem]:
    """Check that the factors are single interventions that can be switched independently."""
    problems: list[Problem] = []
    set_by: dict[str, str] = {}
    for position, factor in enumerate(design.factors):
        key = f"design.factors.{position}"
        problems += unknown_names(key, factor, interventions)
        changes = interventions.get(factor, {})
        if isinstance(changes, list):
            remedy = f"is a stack; name its parts: {', '.join(changes)}"
            problems.append(Problem(key, factor, remedy))
            continue
        for dotted in changes:
            other = set_by.setdefault(dotted, factor)
            if other != factor:
                remedy = f"sets {dotted}, as does {other}, so they cannot both be on; remove one"
                problems.append(Problem(key, factor, remedy))
    if problems:
        return problems
    from noiseband.stats.design import design as laid_out

    try:
        laid_out(design.factors, design.fraction)
    except ValueError as error:
        return [Problem("design", None, str(error))]
    longest = "+".join(design.factors)
    if len(longest) > LONGEST_SET:
        remedy = f"their names together have {len(longest)} characters of at most {LONGEST_SET}"
        return [Problem("design.factors", None, f"{remedy}; give the interventions shorter names")]
    return []
