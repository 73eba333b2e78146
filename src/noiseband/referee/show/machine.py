"""An answer as JSON or CSV, for programs."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from noiseband.io.tables import ACTING
from noiseband.referee.answer import Answer
from noiseband.referee.judgement import ArmVerdict, MetricVerdicts
from noiseband.referee.target import TargetVerdict

FIELDS = (
    "metric", "arm", "effect", "low", "high", "p_value", "verdict", "runs", "tipping_ratio",
    "own_low", "own_high", "scatter_ratio", "same_as", "smallest_visible", "next_half_width",
    "seeds_low", "seeds_high", "se", "mean", "sd", "runs_without_value",
)  # fmt: skip
"""The fields of a verdict in JSON, which are the columns of CSV. What a kind of verdict does not
have, or what the runs cannot say, is null."""


def as_json(answer: Answer) -> str:
    """A JSON object with `verdicts`, `metrics` and `notes` (`docs/referee.md` has every field)."""
    whole = {
        "verdicts": [_fields(one) for one in answer.verdicts],
        "metrics": [_about(metric) for metric in answer.metrics],
        "notes": list(answer.notes),
    }
    return json.dumps(whole, indent=2, allow_nan=False)


def as_csv(answer: Answer) -> str:
    """A line for each arm and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for one in answer.verdicts:
        writer.writerow([_cell(value) for value in _fields(one).values()])
    return text.getvalue().rstrip("\n")


def _fields(one: ArmVerdict | TargetVerdict) -> dict[str, Any]:
    found = {name: getattr(one, name, None) for name in FIELDS}
    return found | {
        "verdict": str(one.verdict),
        "runs_without_value": list(one.runs_without_value),
    }


def _about(metric: Any) -> dict[str, Any]:
    shared = ("metric", "better", "alpha", "comparisons", "margin")
    judged = ("baseline", "baseline_runs", "baseline_mean", "residual_sd", "band")
    names = (*shared, *(judged if isinstance(metric, MetricVerdicts) else ("target",)))
    return {name: getattr(metric, name) for name in names}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(value)
    text = repr(value) if isinstance(value, float) else str(value)
    # A spreadsheet would run it as a formula.
    return f"'{text}" if isinstance(value, str) and text.startswith(ACTING) else text
