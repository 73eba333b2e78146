"""Test learning rates against the published values and PyTorch's own schedulers."""

from __future__ import annotations

import pytest
import torch

from noiseband.study.architecture import Model
from noiseband.study.optimizer import Optimizer, Schedule
from noiseband.study.recipe import Batch, Data, Recipe
from noiseband.train.schedule import rates, scheduled


def learning_rate(recipe: Recipe, step: int) -> float:
    return rates(recipe, step).learning_rate


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


def test_values_by_hand() -> None:
    """Published formulas at listed steps, with ten steps of warm-up from zero and a peak of 1."""

    def at(step: int, **changes: object) -> float:
        schedule = Schedule.model_validate({"warmup": 0.1, "start": 0.0, **changes})
        return scheduled(schedule, 1.0, 100, step)

    for kind in ("warmup-cosine", "warmup-linear", "warmup-stable-decay", "inverse-sqrt"):
        assert [at(step, kind=kind) for step in (0, 5, 10)] == [0.0, 0.5, 1.0]
    assert at(55, kind="warmup-linear", final=0.0) == pytest.approx(0.5)
    assert at(99, kind="warmup-linear", final=0.1) == pytest.approx(0.1 + 0.9 / 90)
    stable = {"kind": "warmup-stable-decay", "final": 0.0, "decay": 0.2}
    assert [at(step, **stable) for step in (11, 79, 80)] == [1.0] * 3
    assert at(95, **stable) == pytest.approx(0.25)
    assert at(85, **stable, shape="sqrt") == pytest.approx(0.5)
    assert at(99, kind="warmup-stable-decay", decay=0.0) == 1.0
    assert at(40, kind="inverse-sqrt") == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["warmup-linear", "warmup-stable-decay", "inverse-sqrt"])
def test_equals_the_schedulers_of_transformers(kind: str) -> None:
    from transformers import optimization

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0014)
    theirs = {
        "warmup-linear": lambda: optimization.get_linear_schedule_with_warmup(optimizer, 10, 100),
        "warmup-stable-decay": lambda: optimization.get_wsd_schedule(
            optimizer, 10, 20, num_training_steps=100, decay_type="linear"
        ),
        "inverse-sqrt": lambda: optimization.get_inverse_sqrt_schedule(optimizer, 10),
    }[kind]()
    run = recipe(98_304 * 100, kind=kind, warmup=0.1, start=0.0, final=0.0, decay=0.2)
    for step in range(100):
        rate = optimizer.param_groups[0]["lr"]
        assert learning_rate(run, step) == pytest.approx(rate, rel=1e-9, abs=1e-12), step
        optimizer.step()
        theirs.step()


def test_muon_has_a_learning_rate_of_its_own() -> None:
    run = recipe(98_304 * 10, kind="warmup-linear")
    assert rates(run, 5).muon is None
    options = Optimizer.model_validate(
        {"kind": "muon", "learning_rate": 0.01, "muon": {"learning_rate": 0.02}}
    )
    one = rates(run.model_copy(update={"optimizer": options}), 5)
    assert one.muon == pytest.approx(2 * one.learning_rate)


def test_a_warm_up_and_a_decay_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"warmup=0.6 and decay=0.5 are more than all steps"):
        Schedule(kind="warmup-stable-decay", warmup=0.6, decay=0.5)
