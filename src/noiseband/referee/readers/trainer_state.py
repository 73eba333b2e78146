"""Read `trainer_state.json`, the log that the Trainer of transformers keeps."""

from __future__ import annotations

import re
from typing import Any

from noiseband.errors import UserError
from noiseband.referee.raw import Raw
from noiseband.referee.readers.records import of_records

HISTORY = "log_history"
_NO_METRIC = re.compile(
    r"(.*_)?(runtime|samples_per_second|steps_per_second|tokens_per_second|model_preparation_time)"
    r"|step|epoch|learning_rate|grad_norm|total_flos|num_input_tokens_seen"
)
"""What the Trainer logs that is no outcome of a run."""


def is_trainer_state(value: Any) -> bool:
    """Whether a JSON document is the state of a Trainer."""
    return isinstance(value, dict) and isinstance(value.get(HISTORY), list)


def read_trainer_state(state: dict[str, Any], file: str) -> Raw:
    """A row for each record of the log. A step of training and its evaluation are two records.

    If there was an evaluation, its metrics are the possible ones, and otherwise those of training.
    """
    if not state[HISTORY]:
        raise UserError(f"{file}: {HISTORY} is empty; read it after the Trainer's first log")
    raw = of_records(state[HISTORY], file)
    names = [name for name in raw.table.columns if not _NO_METRIC.fullmatch(name)]
    evaluated = [name for name in names if name.startswith(("eval_", "test_"))]
    return Raw(file, raw.table, raw.unit, evaluated or names)
