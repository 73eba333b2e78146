"""A command of the user's own, which evaluates an exported model."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from noiseband.dag.child import run_child
from noiseband.errors import UserError
from noiseband.evaluate.outcome import Outcome
from noiseband.io.metrics import read_metrics
from noiseband.study.commands import command_words
from noiseband.study.evaluation_params import EvaluationParams

RESULT = "metrics.json"


def run_command(params: EvaluationParams, model: Path, out: Path) -> Outcome:
    """Run the command, and read the metrics that it writes to `metrics.json` in the folder `out`.

    What it prints goes to standard error. The folder is empty when the command starts, and is
    removed when its metrics are read.

    Raises UserError if the command does not exist, fails, or writes no file of metrics.
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
    shutil.rmtree(out)
    return Outcome(metrics, {"command": command, "files_sha256": params.files})
