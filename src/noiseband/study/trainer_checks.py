"""Checks of a config with `trainer`: what belongs to the built-in trainer alone is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from noiseband.study.config import RunEntry, StudyConfig
from noiseband.study.evaluations import FurtherEvaluation
from noiseband.study.problems import Problem
from noiseband.study.trainer import Trainer

BUILT_IN = {
    "corpora": "list a data file that decides the result under trainer.files",
    "evaluation": "have the command measure, and write its metrics to result.json",
    "samples": "have the command write samples, and name the file in trainer.outputs.samples",
    "checkpoints": "have the command keep its checkpoints in {work}",
    "snapshots": "have the command average over its own checkpoints",
    "averages": "have the command evaluate its averaged weights, and write metrics of its own",
    "plugins": "have the command import the file, and list it under trainer.files",
    "pretrained": "give the other model to an intervention of its own",
    "published": "the published series was trained by the built-in trainer",
    "on_mismatch": "it is about the initial weights of `init: reference`",
}
"""Sections that only the built-in trainer uses, each with what to do instead."""

BY_EXPORT = ("choice", "harness", "command")
"""Kinds of evaluations that can read the model that a command exports."""

OF_RUNS = {
    "microbatch": "make it a key of the recipe, and an intervention that changes it",
    "continues": "have an intervention name the file of weights to start from",
    "start_token": "make it a key of the recipe, and an intervention that changes it",
    "train_tokens": "make it a key of the recipe, and an intervention that changes it",
}
"""The same for the keys of an entry of `runs`."""


def check_trainer(valid: dict[str, Any]) -> list[Problem]:
    """Return the problems of a config whose runs a command makes; none without `trainer`.

    A section that is written out with its defaults is accepted, as in the config of a crate.

    Args:
        valid: section name to its parsed value, without the sections that did not parse.
    """
    trainer = valid.get("trainer")
    if trainer is None:
        return []
    problems: list[Problem] = trainer.problems()
    for name, instead in BUILT_IN.items():
        usual = StudyConfig.model_fields[name].get_default(call_default_factory=True)
        if name in valid and valid[name] != usual:
            remedy = f"only the built-in trainer uses it; leave it out: {instead}"
            problems.append(Problem(name, None, remedy))
    for position, entry in enumerate(valid.get("runs", [])):
        for name, instead in OF_RUNS.items():
            value = getattr(entry, name)
            if value != RunEntry.model_fields[name].default:
                remedy = f"only the built-in trainer uses it; leave it out: {instead}"
                problems.append(Problem(f"runs.{position}.{name}", value, remedy))
    problems += _evaluations(trainer, valid.get("evaluations", {}))
    if valid.get("finetuning") is not None and trainer.outputs.export is None:
        remedy = "tunes an exported model; name its folder in trainer.outputs.export"
        problems.append(Problem("finetuning", None, remedy))
    if valid.get("margin") is not None:
        remedy = "write it under metrics.<name>, in the unit of that metric"
        problems.append(Problem("margin", valid["margin"], remedy))
    if "metrics" in valid and all(one.volatile for one in valid["metrics"].values()):
        remedy = (
            "declare at least one metric that the command writes to result.json, such as "
            "metrics: {loss: {better: lower}}"
        )
        problems.append(Problem("metrics", None, remedy))
    return problems


def _evaluations(trainer: Trainer, evaluations: Mapping[str, FurtherEvaluation]) -> list[Problem]:
    """Check that further evaluations read what the command exports."""
    problems = []
    for name, one in evaluations.items():
        key = f"evaluations.{name}.{one.kind}"
        if one.kind not in BY_EXPORT:
            remedy = (
                f"reads a model of the built-in trainer; use {' or '.join(BY_EXPORT)}, or have the "
                "trainer measure"
            )
            problems.append(Problem(key, None, remedy))
        elif trainer.outputs.export is None:
            remedy = "reads an exported model; name its folder in trainer.outputs.export"
            problems.append(Problem(key, None, remedy))
        if one.average is not None:
            remedy = (
                "averages over snapshots of the built-in trainer; leave it out, and have the "
                "command average over its own checkpoints"
            )
            problems.append(Problem(f"evaluations.{name}.average", one.average, remedy))
    return problems
