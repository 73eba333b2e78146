"""The state of transformers' Trainer, as a real run of it wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from tests.referee.readers.files import only, written


def test_the_last_evaluation_of_a_run_is_its_value(trained: Path) -> None:
    raw = only(str(trained / "trainer_state.json"))
    log = json.loads((trained / "trainer_state.json").read_text())["log_history"]
    losses = [record["eval_loss"] for record in log if "eval_loss" in record]
    assert len(losses) == 2
    assert raw.metrics == ["eval_loss"]
    found = measurements([raw], Choice(needs_arm=False))
    assert found.metrics == ("eval_loss",)
    assert found.runs["eval_loss"].tolist() == [losses[-1]]
    assert raw.place(raw.table.index[1]).endswith("trainer_state.json, record 2")


def test_without_an_evaluation_the_training_loss_counts(trained: Path, tmp_path: Path) -> None:
    state = json.loads((trained / "trainer_state.json").read_text())
    log = [one for one in state["log_history"] if "eval_loss" not in one]
    file = written(tmp_path, json.dumps({**state, "log_history": log}), "trainer_state.json")
    raw = only(file)
    assert raw.metrics == ["loss", "train_loss"]
    found = measurements([raw], Choice(needs_arm=False)).runs
    assert found["loss"].tolist() == [next(r["loss"] for r in reversed(log) if "loss" in r)]


def test_a_run_that_has_logged_nothing_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, '{"log_history": [], "global_step": 0}', "trainer_state.json")
    with pytest.raises(UserError, match=r"trainer_state\.json: log_history is empty"):
        only(file)
