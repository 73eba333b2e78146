"""Test the precisions and the other fields that change the bits for more speed."""

from __future__ import annotations

import math
import shutil
from typing import Any

import pytest
import torch

from noiseband.determinism import ARITHMETIC
from noiseband.train.loop import mean_gradient, take_step
from noiseband.train.trainer import Trainer
from tests.train.conftest import MakeJob
from tests.train.modern import CAPPED, MODERN


def trained(make_job: MakeJob, **changes: Any) -> tuple[str, torch.Tensor, float]:
    """The recipe digest, weights and last loss after three steps."""
    job = make_job(**changes)
    trainer = Trainer(job)
    rows = [take_step(trainer) for _ in range(3)]
    assert not any(row.skipped for row in rows)
    assert trainer.flat.weights.dtype is torch.float32
    return job.params.recipe.digest, trainer.flat.weights.detach().clone(), rows[-1].loss


TERMS = {"loss.label_smoothing": 0.1, "loss.z_loss": 0.01}


def test_every_precision_trains_under_a_digest_of_its_own(make_job: MakeJob) -> None:
    found = {name: trained(make_job, precision=name) for name in ARITHMETIC}
    assert len({digest for digest, _, _ in found.values()}) == len(ARITHMETIC) == 6
    weights: dict[str, torch.Tensor] = {name: one for name, (_, one, _) in found.items()}
    # A CPU has no TF32; on a GPU the two differ.
    assert torch.equal(weights["tf32"], weights["float32"])
    for kind in ("float16-amp", "bfloat16-amp"):
        assert torch.equal(weights[kind], weights[f"{kind}-no-tf32"])
        assert not torch.equal(weights[kind], weights["float32"])
    assert not torch.equal(weights["float16-amp"], weights["bfloat16-amp"])
    for _, _, loss in found.values():
        assert math.isclose(loss, found["float32"][2], rel_tol=0.01)


def test_terms_of_the_loss_do_the_same_in_every_precision(make_job: MakeJob) -> None:
    """The first loss is the plain one and stays; the gradient changes by the same amount."""

    def first_step(precision: str, **terms: float) -> tuple[float, torch.Tensor]:
        trainer = Trainer(make_job(precision=precision, **{"model.dropout": 0.0}, **terms))
        losses = mean_gradient(trainer)
        return float(losses.mean()), trainer.flat.grad.double()

    changed = {}
    for precision in ARITHMETIC:
        plain, of_plain = first_step(precision)
        found, of_found = first_step(precision, **TERMS)
        assert found == plain
        changed[precision] = of_found - of_plain
    expected = changed["float32"]
    assert float(expected.norm()) > 0.0
    for difference in changed.values():
        assert float((difference - expected).norm()) < 0.1 * float(expected.norm())


@pytest.mark.parametrize("parts", [{"attention": "sdpa", **MODERN}, CAPPED], ids=["sdpa", "capped"])
def test_modern_parts_have_nearly_the_same_gradient_in_every_precision(
    make_job: MakeJob, parts: dict[str, Any]
) -> None:
    def first_step(precision: str) -> tuple[float, torch.Tensor]:
        trainer = Trainer(make_job(precision=precision, **{"model.dropout": 0.0, **parts}))
        return float(mean_gradient(trainer).mean()), trainer.flat.grad.double()

    loss, expected = first_step("float32")
    for precision in ARITHMETIC:
        found, gradient = first_step(precision)
        assert math.isclose(found, loss, rel_tol=1e-3)
        away = float((gradient - expected).norm() / expected.norm())
        assert (away == 0.0) == (precision in ("float32", "tf32"))
        assert away < 0.03


@pytest.mark.parametrize("change", [{"attention": "sdpa"}, {"optimizer.fused": False}])
def test_a_speed_up_is_a_recipe_and_hardly_another_result(
    make_job: MakeJob, change: dict[str, Any]
) -> None:
    digest, weights, loss = trained(make_job, **{"model.dropout": 0.0})
    other, fast, close = trained(make_job, **{"model.dropout": 0.0}, **change)
    assert other != digest
    assert math.isclose(loss, close, rel_tol=1e-4)
    torch.testing.assert_close(fast, weights, rtol=0, atol=2e-3)


POCKET = {
    "model.vocabulary": 257,
    "model.context": 64,
    "model.width": 48,
    "model.heads": 4,
    "model.layers": 2,
    "data.train_tokens": 2048,
    "batch.sequences": 2,
    "batch.microbatch": 2,
}


@pytest.mark.parametrize("attention", ["explicit", "sdpa"])
@pytest.mark.parametrize(("precision", "share"), [("bfloat16-amp", 0.25), ("float16-amp", 0.6)])
def test_rounded_operands_give_the_loss_and_gradient_of_16_bit_products(
    make_job: MakeJob,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    share: float,
    attention: str,
) -> None:
    """They are within a share of the distance between PyTorch's own 16-bit products and float32."""

    def first_step(precision: str, rounds: bool = False) -> tuple[float, torch.Tensor]:
        monkeypatch.setattr("noiseband.products.has_products", lambda _: not rounds)
        trainer = Trainer(make_job(precision=precision, attention=attention, **POCKET))
        losses = mean_gradient(trainer)
        return float(losses.mean()), trainer.flat.grad.double()

    exact, of_exact = first_step("float32")
    own, of_own = first_step(precision)
    found, of_found = first_step(precision, rounds=True)
    assert own != exact
    assert abs(found - own) < share * abs(own - exact) + 2e-6 * exact
    rounding = float((of_own - of_exact).norm())
    assert rounding > 1e-4 * float(of_exact.norm())
    assert float((of_found - of_own).norm()) < share * rounding
    # The gradient is as far from float32's as that of 16-bit products, and not more exact.
    assert float((of_found - of_exact).norm()) > 0.5 * rounding


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize(
    ("precision", "terms"), [("float32", {}), ("bfloat16-amp", {}), ("float32", TERMS)]
)
def test_compiled_training_repeats_to_the_bit(
    make_job: MakeJob, precision: str, terms: dict[str, float]
) -> None:
    changes = {"precision": precision, "model.dropout": 0.0, **terms}
    torch.compiler.reset()
    _, by_hand, plain = trained(make_job, **changes)
    _, first, loss = trained(make_job, compile=True, **changes)
    torch.compiler.reset()
    _, again, _ = trained(make_job, compile=True, **changes)
    assert torch.equal(first, again)
    assert math.isclose(loss, plain, rel_tol=1e-4)
    if terms:
        _, without, _ = trained(make_job, precision=precision, **{"model.dropout": 0.0})
        away = float((without - by_hand).norm())
        assert float((first - by_hand).norm()) < 0.01 * away
