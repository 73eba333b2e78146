"""Test learning rates against the published values and PyTorch's own schedulers."""

from __future__ import annotations

import pytest
import torch

from noiseband.study.recipe import Batch, Data, Model, Optimizer, Recipe, Schedule
from noiseband.train.schedule import learning_rate


def recipe(tokens: int, **schedule: object) -> Recipe:
    return Recipe(
        model=Model(vocabulary=50257, context=1024, width=768, heads=12, layers=12),
        data=Data(corpus="fineweb", train_tokens=tokens),
        batch=Batch(sequences=96, microbatch=12),
        optimizer=Optimizer(learning_rate=0.0014),
        schedule=Schedule.model_validate({"kind": "warmup-cosine", **schedule}),
        init_seed=42,
        train_seed=42,
    )


@pytest.mark.parametrize(
    ("step", "published"),
    [(1_658, 0.0014), (17_411, 0.0007700314089467571), (33_164, 0.00014000000313181562)],
)
def test_published_values(step: int, published: float) -> None:
    series = recipe(3_260_190_720)
    assert series.steps == 33_165
    assert learning_rate(series, step) == pytest.approx(published, rel=1e-9)


def test_equals_pytorchs_schedulers() -> None:
    run = recipe(98_304 * 200)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0014)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 1e-5, 1.0, total_iters=10)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 190, eta_min=0.00014)
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], milestones=[10])
    for step in range(run.steps):
        assert learning_rate(run, step) == pytest.approx(
            optimizer.param_groups[0]["lr"], rel=1e-9
        ), step
        optimizer.step()
        both.step()


def test_no_warm_up_starts_at_the_peak() -> None:
    assert learning_rate(recipe(98_304 * 10, warmup=0.0), 0) == 0.0014
