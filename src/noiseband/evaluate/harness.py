"""Tasks of lm-evaluation-harness on an exported model, offline."""

from __future__ import annotations

import math
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeGuard

from noiseband.determinism import make_deterministic, pick_device
from noiseband.errors import UserError
from noiseband.evaluate.outcome import Outcome
from noiseband.io.metrics import Measured, fitting
from noiseband.study.evaluation_params import EvaluationParams
from noiseband.study.evaluations import NEEDS_HARNESS, Harness

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Variables with which the libraries of the harness use files of this machine alone."""
RESAMPLES = 1000
"""Bootstrap samples for the standard error of a metric that is no mean over items."""


def check_installed(name: str) -> None:
    """Raise UserError if the harness, for the evaluation of this name, is not installed."""
    if find_spec("lm_eval") is None:
        raise UserError(f"evaluations.{name}.harness: {NEEDS_HARNESS}")


def run_harness(params: EvaluationParams, model: Path) -> Outcome:
    """Run the tasks on the exported model in the folder `model`.

    A metric is called `<metric>` with one task, and `<task>.<metric>` with several; the name of a
    filter follows if the task has one. The items are those that the harness samples, each called
    `<task>.<number>`; a metric that is not one number for each item is left out there.

    Raises UserError if a task cannot be found or read.
    """
    chosen = params.evaluation.harness
    assert chosen is not None  # The rule asks only for evaluations of this kind.
    key = f"evaluations.{params.name}.harness"
    # The libraries read these when they are imported.
    os.environ.update(dict.fromkeys(OFFLINE, "1"), TOKENIZERS_PARALLELISM="false")
    make_deterministic(threads=1, precision="float32")
    found = _evaluate(key, chosen, model)
    return outcome_of(found, {"files_sha256": params.files, **_about(found)})


def _evaluate(key: str, chosen: Harness, model: Path) -> dict[str, Any]:
    """What `lm_eval.simple_evaluate` returns."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=chosen.include_path)
    if unknown := sorted(set(chosen.tasks) - set(manager.all_tasks)):
        raise UserError(
            f"{key}.tasks: {unknown[0]}: no such task; name one of the harness, or give "
            "include_path, a folder with its YAML file"
        )
    network = HFLM(
        pretrained=str(model), device=str(pick_device()), batch_size=chosen.batch, dtype="float32"
    )
    try:
        found: dict[str, Any] | None = lm_eval.simple_evaluate(
            network,
            tasks=list(chosen.tasks),
            num_fewshot=chosen.shots,
            limit=chosen.limit,
            task_manager=manager,
            bootstrap_iters=RESAMPLES,
        )
    except (OSError, ValueError, AssertionError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"{key}: the harness stopped ({said[0]}); it is offline, so its data must be files of "
            "your own, or in the cache of `datasets` already"
        ) from error
    assert found is not None  # That is for processes of other ranks.
    return found


def outcome_of(found: dict[str, Any], about: dict[str, Any]) -> Outcome:
    """The metrics and items in what the harness returns."""
    results: dict[str, dict[str, Any]] = found["results"]
    several = len(results) > 1
    metrics: dict[str, Measured] = {}
    for task, values in sorted(results.items()):
        count = found.get("n-samples", {}).get(task, {}).get("effective")
        for name, value in values.items():
            metric, _, filtered = name.partition(",")
            if not filtered or metric.endswith("_stderr") or not _number(value):
                continue
            error = values.get(f"{metric}_stderr,{filtered}")
            known = error if _number(error) and math.isfinite(error) else None
            label = _label(task if several else "", metric, filtered)
            metrics[label] = Measured(float(value), known, count)
    if not metrics:
        raise UserError(f"the harness gave no metric of {', '.join(sorted(results))}")
    items, values_of = _items(found.get("samples") or {}, several)
    return Outcome(metrics, about, items, values_of)


def _items(
    samples: dict[str, list[dict[str, Any]]], several: bool
) -> tuple[list[str], dict[str, list[float | None]]]:
    """The names of the items, and each metric's value for each of them."""
    rows: dict[str, dict[str, float]] = {}
    for task, found in sorted(samples.items()):
        for sample in sorted(found, key=lambda one: int(one["doc_id"])):
            row = rows.setdefault(f"{task}.{sample['doc_id']}", {})
            for metric in sample.get("metrics", []):
                if _number(value := sample.get(metric)):
                    label = _label(task if several else "", metric, sample.get("filter", "none"))
                    row[label] = float(value)
    names = sorted({name for row in rows.values() for name in row})
    return list(rows), {name: [row.get(name) for row in rows.values()] for name in names}


def _label(task: str, metric: str, filtered: str) -> str:
    """The name of a metric, from characters that such a name may have."""
    parts = [task, metric, "" if filtered == "none" else filtered]
    return ".".join(fitting(part) for part in parts if part)


def _number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float)


def _about(found: dict[str, Any]) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "lm_eval": version("lm_eval"),
        "tasks": {task: found.get("versions", {}).get(task) for task in sorted(found["results"])},
        "shots": dict(sorted(found.get("n-shot", {}).items())),
    }
