"""A run's steps are those of a plain loop with PyTorch's own optimisers, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from noiseband.analysis.traces import read_trace
from noiseband.determinism import products_in
from noiseband.io.traces import read_rows, read_table
from noiseband.train.loop import take_step, train
from noiseband.train.optimizers.groups import kind_of
from noiseband.train.schedule import rates
from noiseband.train.trainer import Trainer

from .conftest import MakeJob

GROUPS = [
    {"parameters": "norms", "weight_decay": 0.0},
    {"parameters": "biases", "weight_decay": 0.0},
    {"parameters": "trf_blocks.*.att.*", "multiple": 0.5},
    {"parameters": "embeddings", "multiple": 3.0, "weight_decay": 0.0},
]
MUON = {"optimizer.kind": "muon", "optimizer.muon": {"learning_rate": 0.003}}
RECIPES: dict[str, dict[str, Any]] = {
    "adamw": {},
    "groups": {"optimizer.groups": GROUPS, "model.qkv_bias": True},
    "muon": {**MUON, "optimizer.groups": GROUPS, "schedule.kind": "warmup-stable-decay"},
    "sgd": {"optimizer.kind": "sgd", "optimizer.momentum": 0.8},
}


def reference(trainer: Trainer, parameters: dict[str, Tensor]) -> list[torch.optim.Optimizer]:
    """PyTorch's optimisers, with groups as a user would write them; a group's `times` is the
    multiple of its learning rate."""
    options = trainer.recipe.optimizer
    if options.kind == "sgd":
        everything = list(parameters.values())
        return [
            torch.optim.SGD(
                [{"params": everything, "times": 1.0}], lr=1.0, momentum=options.momentum,
                weight_decay=options.weight_decay, foreach=False,
            )
        ]  # fmt: skip
    groups: list[dict[str, Any]] = []
    matrices: list[dict[str, Any]] = []
    for name, parameter in parameters.items():
        kind = kind_of(name)
        times, decay = 1.0, options.weight_decay
        if options.groups:
            if kind in ("norms", "biases", "embeddings"):
                decay = 0.0
            if kind == "embeddings":
                times = 3.0
            if ".att." in name and kind == "matrices":
                times = 0.5
        group = {"params": [parameter], "weight_decay": decay, "times": times}
        (matrices if options.kind == "muon" and kind == "matrices" else groups).append(group)
    found: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, betas=(0.9, 0.999), fused=True)]
    if matrices:
        found.append(torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw"))
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_equals_pytorchs_own_optimisers(make_job: MakeJob, name: str) -> None:
    trainer = Trainer(make_job(**RECIPES[name]))
    views = trainer.flat.views(trainer.flat.weights)
    parameters = {key: view.detach().clone().requires_grad_() for key, view in views.items()}
    optimizers = reference(trainer, parameters)
    for step in range(4):
        take_step(trainer)
        gradients = trainer.flat.views(trainer.flat.grad)
        scheduled = rates(trainer.recipe, step)
        for key, parameter in parameters.items():
            parameter.grad = gradients[key].clone()
        for optimizer in optimizers:
            muon = isinstance(optimizer, torch.optim.Muon)
            for group in optimizer.param_groups:
                rate = scheduled.muon if muon else scheduled.learning_rate
                assert rate is not None
                group["lr"] = group["times"] * rate
            with products_in(torch.bfloat16, torch.device("cpu")):
                optimizer.step()
    for key, view in trainer.flat.views(trainer.flat.weights).items():
        assert torch.equal(view, parameters[key]), key


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("cautious", [False, True])
def test_a_restored_run_has_the_bits_of_one_that_was_not_stopped(
    make_job: MakeJob, name: str, cautious: bool
) -> None:
    job = make_job(**{**RECIPES[name], "optimizer.cautious": cautious})
    one, other = Trainer(job), Trainer(job)
    for _ in range(3):
        take_step(one)
    other.restore(one.state())
    rows = [[take_step(trainer) for _ in range(3)] for trainer in (one, other)]
    assert rows[0] == rows[1]
    assert torch.equal(one.flat.weights, other.flat.weights)
    assert all(
        torch.equal(tensor, other.state().tensors[key])
        for key, tensor in one.state().tensors.items()
    )
    padding = one.flat.weights.detach().clone()
    for view in one.flat.views(padding).values():
        view.zero_()
    assert not padding.any()


@pytest.mark.parametrize("name", ["muon", "sgd"])
def test_every_optimiser_learns(make_job: MakeJob, name: str) -> None:
    """With the same batches repeated, correct updates must lower the loss."""
    rate = {"sgd": 0.5, "muon": 0.01}[name]
    trainer = Trainer(make_job(**{**RECIPES[name], "optimizer.learning_rate": rate}))
    first = take_step(trainer).loss
    for _ in range(30):
        trainer.done = 4  # after the warm-up
        last = take_step(trainer).loss
    assert last < first - 0.5


def test_the_trace_has_muons_learning_rate(make_job: MakeJob) -> None:
    with_muon, without = (make_job(name, **RECIPES[name]) for name in ("muon", "adamw"))
    for job in (with_muon, without):
        train(job)
    rows = read_rows(with_muon.out / "trace.parquet")
    peak = with_muon.params.recipe.optimizer.learning_rate
    assert [row.muon_learning_rate for row in rows] == pytest.approx(
        [0.003 / peak * row.learning_rate for row in rows]
    )
    assert "muon_learning_rate" not in read_table(without.out / "trace.parquet").column_names
    assert read_trace(with_muon.out / "trace.parquet").steps == len(rows)
