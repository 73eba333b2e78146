"""What holds on a GPU alone: compiled training repeats to the bit, whether a step's kernels were
started one by one, as in a process's first steps, or as a graph."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from noiseband.io.traces import Row
from noiseband.train import objective
from noiseband.train.loop import take_step
from noiseband.train.trainer import Trainer
from tests.train.conftest import MakeJob

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

FAST: dict[str, Any] = {"attention": "sdpa", "precision": "bfloat16-amp", "compile": True}


@pytest.fixture(autouse=True)
def afresh() -> None:
    torch.compiler.reset()


def rows(trainer: Trainer, count: int) -> list[Row]:
    return [take_step(trainer) for _ in range(count)]


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_restored_run_has_the_bits_of_one_that_was_not_stopped(
    make_job: MakeJob, dropout: float
) -> None:
    job = make_job(**FAST, **{"model.dropout": dropout})
    whole = rows(Trainer(job), 8)
    first, second = Trainer(job), Trainer(job)
    assert rows(first, 4) == whole[:4]
    second.restore(first.state())
    assert rows(second, 4) == whole[4:]
    assert len({row.weights_checksum for row in whole}) == 8


def test_graphs_leave_the_bits_alone(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(**FAST)
    one_by_one = rows(Trainer(job), 6)
    torch.compiler.reset()
    monkeypatch.setattr(objective, "ON_GPU", {**objective.ON_GPU, "triton.cudagraphs": True})
    assert rows(Trainer(job), 6) == one_by_one


@pytest.mark.parametrize("change", [{}, {"compile": False}, {"precision": "float16-amp"}])
def test_losses_are_those_of_a_cpu(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    recipe = {**FAST, "model.dropout": 0.0, **change}
    on_gpu = rows(Trainer(make_job(**recipe)), 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_cpu = rows(Trainer(make_job(**{**recipe, "compile": False})), 4)
    assert [row.loss for row in on_gpu] == pytest.approx([row.loss for row in on_cpu], rel=1e-2)
