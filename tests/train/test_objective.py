"""The model compiled without its loss, as on a GPU: the same loss and gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from noiseband.train.objective import ON_GPU, Objective
from noiseband.train.trainer import Trainer
from tests.train.conftest import MakeJob
from tests.train.modern import CAPPED, MODERN


def loss_and_gradient(trainer: Trainer) -> tuple[float, Tensor]:
    trainer.flat.grad.zero_()
    loss = trainer.objective(*trainer.window.batch(0, 0), 2.0)
    torch.autograd.backward(loss)
    return loss.item(), trainer.flat.grad.clone()


@pytest.mark.parametrize(
    "parts",
    [
        {"attention": "sdpa"},
        {"attention": "sdpa", "model.tied": True},
        {"attention": "sdpa", **MODERN},
        CAPPED,
        {"attention": "sdpa", "model.positions.kind": "none", "model.feed_forward.kind": "relu2"},
    ],
    ids=str,
)
def test_the_model_compiled_by_itself_has_the_same_loss_and_gradient(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any]
) -> None:
    job = make_job(precision="bfloat16-amp", **{"model.dropout": 0.0, **parts})
    plain, apart = Trainer(job), Trainer(job)
    compiler = torch.compile

    def traced(model: Any, **options: Any) -> Any:
        assert options == {"fullgraph": True, "dynamic": False, "options": dict(ON_GPU)}
        return compiler(model, backend="aot_eager", fullgraph=True, dynamic=False)

    monkeypatch.setattr(torch, "compile", traced)
    torch.compiler.reset()
    objective = apart.objective
    assert isinstance(objective, Objective)
    objective.apart = True
    objective.compile_model()
    loss, gradient = loss_and_gradient(plain)
    found, of_found = loss_and_gradient(apart)
    assert math.isclose(found, loss, rel_tol=1e-3)
    assert float((of_found - gradient).norm() / gradient.norm()) < 1e-2
    assert float(gradient.norm()) > 0.0


def test_the_compiler_knows_the_options() -> None:
    from torch import _inductor

    assert set(ON_GPU) <= set(_inductor.list_options())
