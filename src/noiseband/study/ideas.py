"""The ideas that a recipe uses, and the digests of their code in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from noiseband.errors import nearest
from noiseband.study.evaluations import FurtherEvaluation
from noiseband.study.plugins import Plugin, is_idea, read_plugins
from noiseband.study.problems import Problem
from noiseband.study.recipe import BaselineRecipe
from noiseband.study.section import Fixed

AnyRecipe = TypeVar("AnyRecipe", bound=BaselineRecipe)


class Use(NamedTuple):
    """One idea in a recipe."""

    section: str
    """The section of the recipe, such as `model.feed_forward`."""
    kind: str
    options: Mapping[str, Any]

    @property
    def part(self) -> str:
        """What the idea has to be: the name of its decorator."""
        return self.section.rpartition(".")[2]


def ideas_of(recipe: BaselineRecipe) -> Iterator[Use]:
    """The ideas that a recipe uses."""
    model = recipe.model
    sections: dict[str, Any] = {
        "model.feed_forward": model.feed_forward,
        "model.norm": model.norm,
        "model.positions": model.positions,
        "model.attention": model.attention,
        "optimizer": recipe.optimizer,
        "schedule": recipe.schedule,
        "loss": recipe.loss,
    }
    for name, section in sections.items():
        if is_idea(section.kind) or section.options:
            yield Use(name, section.kind, section.options)


def with_code(recipe: AnyRecipe, paths: Iterable[str]) -> AnyRecipe:
    """The recipe with the digests of the plugins that it uses. `paths` are those of the config,
    which was checked."""
    uses, listed = list(ideas_of(recipe)), list(paths)
    in_model = code_of((u.kind for u in uses if u.section.startswith("model.")), listed)
    outside = code_of((u.kind for u in uses if not u.section.startswith("model.")), listed)
    if in_model:
        model = recipe.model.model_copy(update={"plugins": in_model})
        recipe = recipe.model_copy(update={"model": model})
    return recipe.model_copy(update={"plugins": outside}) if outside else recipe


def code_of(kinds: Iterable[str], paths: Iterable[str]) -> Fixed:
    """The files with these ideas, each with the digest of its code. `paths` are those of the
    config, which was checked."""
    plugins, _ = read_plugins(paths)
    used = [plugins[kind.partition(".")[0]] for kind in kinds]
    return Fixed({plugin.path: plugin.sha256 for plugin in used})


def plugins_of(recipe: BaselineRecipe) -> list[str]:
    """The paths of the plugins with the ideas of a run's recipe, sorted."""
    return sorted({**recipe.model.plugins, **recipe.plugins})


def check_ideas(recipe: BaselineRecipe, plugins: Mapping[str, Plugin], key: str) -> list[Problem]:
    """The problems of the ideas that a recipe uses.

    Args:
        recipe: a recipe as the config writes it, or with an intervention's changes.
        plugins: the plugins of the config by the names that stand before the dot.
        key: key of the recipe or of the intervention in the config.
    """
    return [problem for use in ideas_of(recipe) for problem in check_idea(use, plugins, key)]


def check_idea(use: Use, plugins: Mapping[str, Plugin], key: str) -> list[Problem]:
    """The problems of one idea: that there is none of its name, that it is another part, and that
    its options are not those that it takes."""
    if not is_idea(use.kind):
        remedy = f"belong to an idea, and kind is {use.kind}; remove them, or choose an idea"
        return [Problem(f"{key}.{use.section}.options", dict(use.options), remedy)]
    place = key if use.section == "metric" else f"{key}.{use.section}.kind"
    plugin = plugins.get(use.kind.partition(".")[0])
    found = plugin.find(use.kind) if plugin is not None else []
    fitting = {
        f"{one.stem}.{idea.name}": idea
        for one in plugins.values()
        for idea in one.ideas
        if idea.part == use.part
    }
    if use.kind not in fitting:
        fault = f"is for {found[0].part}" if found else "no such idea"
        remedy = (
            f"{fault}; {nearest(use.kind, fitting)}"
            if fitting or found
            else (f"{fault}; name its file under `plugins`, as in plugins: [ideas.py]")
        )
        return [Problem(place, use.kind, remedy)]
    idea = fitting[use.kind]
    options = f"{key}.{use.section}.options"
    problems = []
    for name, value in use.options.items():
        if idea.options is not None and name not in idea.options:
            remedy = f"{use.kind} has no such option; {nearest(name, sorted(idea.options))}"
            problems.append(Problem(f"{options}.{name}", value, remedy))
    for name in idea.needed:
        if name not in use.options:
            problems.append(Problem(f"{options}.{name}", None, f"missing; {use.kind} needs it"))
    return problems


def with_near_ideas(problems: Iterable[Problem], paths: Iterable[str]) -> list[Problem]:
    """The problems, in which a kind that noiseband does not have is told the idea of a similar
    name, if there is one."""
    plugins, _ = read_plugins(paths)
    names = {idea.name: f"{one.stem}.{idea.name}" for one in plugins.values() for idea in one.ideas}
    found = []
    for problem in problems:
        if problem.key.endswith(".kind") and isinstance(problem.value, str):
            near = get_close_matches(problem.value, names, n=1)
            if near and not is_idea(problem.value):
                remedy = f"{problem.remedy}, or the idea {names[near[0]]}"
                problem = replace(problem, remedy=remedy)
        found.append(problem)
    return found


def check_measured(
    evaluations: Mapping[str, FurtherEvaluation], plugins: Mapping[str, Plugin]
) -> list[Problem]:
    """The problems of the metrics of further losses that are ideas."""
    problems = []
    for name, one in evaluations.items():
        first: dict[str, str] = {}
        for place, kind in enumerate(one.loss.metrics if one.loss is not None else []):
            key = f"evaluations.{name}.loss.metrics.{place}"
            own = kind.rpartition(".")[2]
            if own in ("loss", "bits_per_byte"):
                problems.append(Problem(key, kind, f"{own} is a metric already; rename the idea"))
            if own in first:
                remedy = f"{first[own]} is a metric {own} of this evaluation already; " + (
                    "remove it" if first[own] == kind else "rename one of the ideas"
                )
                problems.append(Problem(key, kind, remedy))
            first.setdefault(own, kind)
            problems += check_idea(Use("metric", kind, {}), plugins, key)
    return problems


def check_not_filled_in(data: Mapping[str, Any]) -> list[Problem]:
    """Check that a config, as it was read, leaves the digests of plugins to noiseband."""
    recipe = data.get("recipe")
    if not isinstance(recipe, dict) or data.get("trainer") is not None:
        return []
    model = recipe.get("model")
    places = {"recipe.plugins": recipe, "recipe.model.plugins": model}
    remedy = "noiseband fills this in; remove it, and list the files under `plugins` at the top"
    return [
        Problem(key, None, remedy)
        for key, section in places.items()
        if isinstance(section, dict) and "plugins" in section
    ]
