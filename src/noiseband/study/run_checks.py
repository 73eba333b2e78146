"""Checks of a config's runs: their names, the names they refer to, and the tokens they read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import ValidationError

from noiseband.study.averages import check_snapshots
from noiseband.study.config import Place, RunEntry, StudyConfig
from noiseband.study.corpora import AnyCorpus, MixedCorpus
from noiseband.study.evaluations import FurtherEvaluation, loss_windows
from noiseband.study.expand import expand, in_order, seeded
from noiseband.study.hub_classes import beyond_hub
from noiseband.study.problems import Problem, from_pydantic, unknown_names
from noiseband.study.recipe import BaselineRecipe, Recipe, valid_processes, within_a_sequence
from noiseband.study.runs import BASELINE, Run
from noiseband.study.seed_checks import check_equal_runs, check_seeds
from noiseband.study.seeds import run_seeds
from noiseband.study.slice_checks import check_slices
from noiseband.study.window_checks import check_measured_on, check_test_window, check_units


def check_runs(valid: dict[str, Any], faulty: set[str]) -> list[Problem]:
    """Return the problems with runs, and with sections that refer to runs.

    Args:
        valid: section name to its parsed value; at least recipe, interventions, runs, seeds and
            noise.
        faulty: interventions with problems of their own; they are expanded as empty.
    """
    problems: list[Problem] = []
    interventions, entries = valid["interventions"], valid["runs"]
    for name, pairs in valid["seeds"].items():
        problems += unknown_names(f"seeds.{name}", name, ["default", BASELINE, *interventions])
        if len(set(map(run_seeds, pairs))) < len(pairs):
            problems.append(Problem(f"seeds.{name}", pairs, "a seed appears twice; remove it"))
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
        design=valid.get("design"),
        runs=entries,
        trainer=valid.get("trainer"),
        plugins=valid.get("plugins", []),
    )
    try:
        problems += check_seeds(config)
        if problems:
            return problems  # Other mistakes would be about runs that these entries double.
        unnamed = [run.name for run in seeded(config)]
        sound = in_order(entries, unnamed)
        config = config.model_copy(update={"runs": [e for e in entries if e in sound]})
        runs = expand(config)
    except ValidationError as error:
        # Each change is valid on its own, so a combination or a run's microbatch is at fault.
        return from_pydantic(error, "runs", BaselineRecipe)
    names = unnamed + [entry.name for entry in entries if entry.repeat_of is None]
    problems += _references(entries, names, sound)
    names += [entry.name for entry in entries if entry.repeat_of is not None]
    for name, count in Counter(names).items():
        if count > 1:
            remedy = f"{count} runs have this name; rename or remove one"
            problems.append(Problem("runs", name, remedy))
    pretrained = valid.get("pretrained", {})
    for name in pretrained:
        if name in names:
            problems.append(Problem(f"pretrained.{name}", None, "a run has this name; rename it"))
    if "baseline" in valid:
        problems += unknown_names("baseline", valid["baseline"], names)
    if valid.get("finetuning") is not None and valid["finetuning"].runs != "all":
        for position, name in enumerate(valid["finetuning"].runs):
            known = [*names, *pretrained]
            problems += unknown_names(f"finetuning.runs.{position}", name, known)
    if not faulty:
        problems += _going_on(entries, runs) + _same_recipe(runs)
        problems += check_equal_runs(runs, [entry.name for entry in entries])
    placement = valid.get("placement", {}) if runs else {}
    for name in placement:
        problems += unknown_names(f"placement.{name}", name, names)
    if config.trainer is not None:
        return problems
    problems += _enough_tokens(entries, runs, valid.get("corpora", {}))
    problems += _packed(runs, valid.get("corpora", {}))
    windows = [("evaluation", valid["evaluation"])] if "evaluation" in valid else []
    further, corpora = [*loss_windows(valid.get("evaluations", {}))], valid.get("corpora", {})
    for key, window in [*windows, *further]:
        problems += check_measured_on(runs, window.corpus, corpora, f"{key}.corpus")
        problems += check_test_window(runs, window, corpora, key)
        problems += check_units(runs, window, corpora, key)
    for key, sliced in further:
        problems += check_slices(runs, sliced, corpora, key)
    problems += _exported(runs, valid.get("evaluations", {}))
    if runs:
        problems += _processes(runs, valid.get("processes", 1), placement)
        problems += _kept(runs, valid["checkpoints"].keep if "checkpoints" in valid else [])
        problems += check_snapshots(runs, valid.get("snapshots"))
    return problems


def _exported(runs: Sequence[Run], evaluations: Mapping[str, FurtherEvaluation]) -> list[Problem]:
    """Check that the models that evaluations read as exported folders can be exported."""
    odd = next(((run.name, key) for run in runs if (key := beyond_hub(run.model))), None)
    if odd is None:
        return []
    remedy = (
        f"reads an exported model, and no class of transformers computes what {odd[0]} does "
        f"({odd[1]}); use loss or choice, or leave the change out"
    )
    return [
        Problem(f"evaluations.{name}.{one.kind}", None, remedy)
        for name, one in evaluations.items()
        if one.exports
    ]


def _references(
    entries: Sequence[RunEntry], names: Sequence[str], sound: Sequence[RunEntry]
) -> list[Problem]:
    """Check that runs repeat or continue existing runs that are not repeats, without a circle.

    Args:
        names: names of all runs except repeats.
        sound: the entries whose chain of continued runs begins at a seed.
    """
    problems: list[Problem] = []
    repeats = {entry.name: entry.repeat_of for entry in entries if entry.repeat_of is not None}
    others = {entry.name: entry.continues for entry in entries}
    told: set[str] = set()
    for position, entry in enumerate(entries):
        key, other = f"runs.{position}.continues", entry.continues
        if entry.repeat_of is not None:
            key = f"runs.{position}.repeat_of"
            problems += unknown_names(key, entry.repeat_of, names)
        if other is None or entry in sound:
            continue
        if other in repeats:
            remedy = f"is a repeat, with the weights of {repeats[other]}; name that run instead"
            problems.append(Problem(key, other, remedy))
        elif other not in names:
            problems += unknown_names(key, other, names)
        elif entry.name not in told and (chain := _circle(entry.name, others)):
            told.update(chain)
            remedy = f"a circle: {' continues '.join(chain)}; let one of them start from a seed"
            problems.append(Problem(key, other, remedy))
    return problems


def _circle(name: str, others: dict[str, str | None]) -> list[str]:
    """The runs from `name` back to itself, each continuing the next; empty without a circle."""
    chain, current = [name], others.get(name)
    while current is not None and current not in chain:
        chain.append(current)
        current = others.get(current)
    return [*chain, name] if current == name else []


def _going_on(entries: Sequence[RunEntry], runs: Sequence[Run]) -> list[Problem]:
    """Check that each run has the same parameters and initial weights as the run it continues."""
    problems: list[Problem] = []
    by_name = {run.name: run for run in runs}
    for position, entry in enumerate(entries):
        if entry.continues is None or entry.name not in by_name:
            continue
        own, other = by_name[entry.name].built_in, by_name[entry.continues].built_in
        mine = {f"model.{k}": v for k, v in own.model if k != "dropout"} | {"init": own.init}
        theirs = {f"model.{k}": v for k, v in other.model} | {"init": other.init}
        changed = [
            f"{key} is {json.dumps(value)} here and {json.dumps(theirs[key])} there"
            for key, value in mine.items()
            if value != theirs[key]
        ]
        if changed:
            remedy = (
                f"its weights do not fit: {', '.join(changed)}; apply the interventions that "
                "change this to both runs, or to neither"
            )
            problems.append(Problem(f"runs.{position}.continues", entry.continues, remedy))
        problems += _going_on_reading(position, entry, own, other)
        if entry.seed is not None and own.init_seed != other.init_seed:
            seeds = own.seeds._replace(init_seed=other.init_seed)
            remedy = (
                f"the run starts from the weights of {entry.continues}, which has init_seed "
                f"{other.init_seed}; write {seeds.written}, or leave seed out"
            )
            problems.append(Problem(f"runs.{position}.seed", entry.seed, remedy))
    return problems


def _going_on_reading(position: int, entry: RunEntry, own: Recipe, other: Recipe) -> list[Problem]:
    """Check that a run can read on where the run that it continues has stopped."""
    before = other.data.packing
    if own.data.packing != before and own.data.corpus == other.data.corpus:
        remedy = (
            f"reads {own.data.corpus} with data.packing {before}, so the run does not know where "
            f"to go on with {own.data.packing}; apply the intervention to both runs, or to neither"
        )
        return [Problem(f"runs.{position}.continues", entry.continues, remedy)]
    wrong = within_a_sequence(own)
    key = f"runs.{position}.start_token"
    return [] if wrong is None else [Problem(key, own.data.start_token, wrong)]


def _packed(runs: Sequence[Run], corpora: Mapping[str, AnyCorpus]) -> list[Problem]:
    """Check that the corpora that runs pack consist of documents."""
    problems: dict[str, Problem] = {}
    for run in runs:
        corpus = corpora.get(run.corpus)
        if run.built_in.packed is None or not isinstance(corpus, MixedCorpus):
            continue
        if corpus.mixture.by == "sequence":
            remedy = (
                f"run {run.name} packs whole documents (data.packing: best-fit), and sequences end "
                "within them; write by: document and remove sequence_tokens"
            )
            key = f"corpora.{run.corpus}.mixture.by"
            problems.setdefault(key, Problem(key, "sequence", remedy))
    return list(problems.values())


def _same_recipe(runs: Sequence[Run]) -> list[Problem]:
    """Check that no two runs have the same recipe, unless one is declared as a repeat."""
    owner: dict[str, str] = {}
    problems = []
    for run in runs:
        other = owner.setdefault(run.recipe.digest, run.name)
        if other != run.name:
            remedy = f"has the recipe of {other}; make it repeat_of: {other}, or remove it"
            problems.append(Problem("runs", run.name, remedy))
    return problems


def _enough_tokens(
    entries: Sequence[RunEntry], runs: Sequence[Run], corpora: dict[str, AnyCorpus]
) -> list[Problem]:
    problems = []
    places = {entry.name: position for position, entry in enumerate(entries)}
    for name, corpus in corpora.items():
        if corpus.tokens is None:
            continue
        there = corpus.tokens.train
        far = [
            run
            for run in runs
            if run.built_in.data.corpus == name and run.built_in.last_token > there
        ]
        if not far:
            continue
        # If a run from initial weights reads too far, the runs that continue it are not at fault.
        farthest = max(far, key=lambda run: (run.continues is None, run.built_in.last_token))
        remedy = (
            f"run {farthest.name} reads to token {farthest.built_in.last_token:,} but the "
            f"training split of corpus {name} has {there:,}; lower it, or "
        )
        section = "recipe.data"
        if farthest.continues is not None:
            section = f"runs.{places[farthest.name]}"
            remedy += f"start_token ({farthest.built_in.data.start_token:,})"
        else:
            remedy += "raise recipe.data.epochs"
        value = farthest.built_in.data.train_tokens
        problems.append(Problem(f"{section}.train_tokens", value, remedy))
    return problems


def _processes(
    runs: Sequence[Run], processes: int, placement: Mapping[str, Place]
) -> list[Problem]:
    """Check that every run can divide its slots evenly among its processes. Of the runs with the
    study's number of processes, only the one with the smallest limit is reported."""
    own = {name: place.processes for name, place in placement.items() if place.processes}
    rest = [run for run in runs if run.name not in own]
    least = sorted(rest, key=lambda run: valid_processes(run.built_in.batch.fewest_slots)[-1])[:1]
    problems = []
    for run in [*least, *(run for run in runs if run.name in own)]:
        slots, count = run.built_in.batch.fewest_slots, own.get(run.name, processes)
        valid = valid_processes(slots)
        if count not in valid:
            first = " in its first step" if slots < run.built_in.batch.slots else ""
            key = f"placement.{run.name}.processes" if run.name in own else "processes"
            remedy = (
                f"run {run.name} has {slots} slots{first}; choose a power of two that divides "
                f"them: {', '.join(map(str, valid))}"
            )
            problems.append(Problem(key, count, remedy))
    return problems


def _kept(runs: Sequence[Run], keep: Sequence[int] | Literal["all"]) -> list[Problem]:
    """Check that at least one run takes each step whose checkpoint is to be kept."""
    if keep == "all":
        return []
    last = max(run.built_in.steps for run in runs) - 1
    remedy = f"no run has this step; steps count from 0, and the last of any run is {last:,}"
    return [
        Problem(f"checkpoints.keep.{position}", step, remedy)
        for position, step in enumerate(keep)
        if step > last
    ]
