"""Read the results of lm-evaluation-harness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.records import of_records

RESULTS = "results"


def is_harness(value: Any) -> bool:
    """Whether a JSON document has a dictionary of tasks with their scores."""
    if not isinstance(value, dict) or not isinstance(value.get(RESULTS), dict):
        return False
    tasks = value[RESULTS].values()
    return bool(tasks) and all(isinstance(scores, dict) for scores in tasks)


def read_harness(document: dict[str, Any], file: str) -> Raw:
    """One run, with a column such as `hellaswag acc` for each task and metric.

    A filter other than `none` is a part of the metric's name: `gsm8k exact_match,strict-match`.
    Standard errors are left out, because they are about the test set and not about the seeds.
    """
    scores = {
        f"{task} {metric}": score
        for task, found in document[RESULTS].items()
        for metric, score in _scores(found)
    }
    if not scores:
        raise UserError(f"{file}: no task in it has a score; give the harness's results_*.json")
    return of_records([{"run": _run(document, file), **scores}], file, metrics=list(scores))


def _scores(found: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The metrics of a task, with their filters, and their values."""
    # Older versions have no filters; newer ones have other numbers besides, without a comma.
    filtered = any("," in key for key in found)
    for key, value in found.items():
        metric, comma, kind = key.partition(",")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and not metric.endswith("_stderr") and bool(comma) == filtered:
            yield metric if kind in ("", "none") else key, value


def _run(document: dict[str, Any], file: str) -> str:
    """The model's name, or that of the file's folder."""
    name = document.get("model_name")
    return name if isinstance(name, str) and name else Path(file).absolute().parent.name
