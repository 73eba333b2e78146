"""A command of the user's own, which evaluates an exported model."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noiseband.dag.child import run_child
from noiseband.errors import UserError
from noiseband.evaluate.item_lines import Columns, read_item_lines
from noiseband.evaluate.outcome import Outcome, is_mean_of, mean_of
from noiseband.io.metrics import Measured, read_metrics
from noiseband.study.commands import command_words
from noiseband.study.evaluation_params import EvaluationParams

RESULT = "metrics.json"
ITEMS = "items.jsonl"


def run_command(params: EvaluationParams, model: Path, out: Path) -> Outcome:
    """Run the command, and read the metrics that it writes to `metrics.json` in the folder `out`,
    and with `items` its results for each item in `items.jsonl`.

    A metric that is the mean over its items has their standard error, unless the command gives one.
    What it prints goes to standard error. The folder is empty when the command starts, and is
    removed when its metrics are read.

    Raises UserError if the command does not exist, fails, or writes no file of metrics or items, or
    a bad one.
    """
    command = params.evaluation.command
    assert command is not None  # The rule asks only for evaluations of this kind.
    key = f"evaluations.{params.name}.command"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    values = {"model": str(model), "out": str(out), "run": params.run}
    words = command_words(command, values)
    status = run_child(words, key).status
    if status:
        how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        raise UserError(f"{key}: `{shlex.join(words)}` {how}; its messages are above this line")
    try:
        metrics = read_metrics(out / RESULT)
    except FileNotFoundError:
        raise UserError(
            f"{key}: `{shlex.join(words)}` ended well and wrote no {RESULT}; write "
            f'{{"metrics": {{"accuracy": 0.5}}}} to {out / RESULT}'
        ) from None
    about: dict[str, Any] = {"command": command, "files_sha256": params.files}
    if not params.evaluation.items:
        shutil.rmtree(out)
        return Outcome(metrics, about)
    try:
        items, columns = read_item_lines(out / ITEMS, metrics)
    except FileNotFoundError:
        raise UserError(
            f"{key}: `{shlex.join(words)}` ended well and wrote no {ITEMS}; write a line for each "
            f'item, such as {{"item": "1", "{min(metrics)}": 0.5}}, to {out / ITEMS}, or leave '
            "`items: true` out"
        ) from None
    shutil.rmtree(out)
    about["items"] = len(items)
    return Outcome(_with_errors(metrics, columns), about, items, columns)


def _with_errors(metrics: Mapping[str, Measured], columns: Columns) -> dict[str, Measured]:
    """The metrics, with the standard errors that follow from their items."""
    found = dict(metrics)
    for name, values in columns.items():
        one, known = metrics[name], [value for value in values if value is not None]
        if one.standard_error is None and one.n is None and is_mean_of(one.value, values):
            over = mean_of(known)
            found[name] = Measured(one.value, over.standard_error, over.n)
    return found
