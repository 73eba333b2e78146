"""Test value and gradients of the head's loss against PyTorch's in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from noiseband.study.loss import Loss
from noiseband.train.loss import (
    BLOCK_ROWS,
    PLAIN,
    cached_gradients,
    head_loss,
    padded_gradients,
    plain_loss,
)

TERMS = [
    PLAIN,
    Loss(label_smoothing=0.1),
    Loss(z_loss=0.01),
    Loss(label_smoothing=0.3, z_loss=0.002),
]


def problem(n: int, vocabulary: int, spread: float, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 12, generator=generator) * spread
    weight = torch.randn(vocabulary, 12, generator=generator)
    return x, weight, torch.randint(0, vocabulary, (n,), generator=generator)


def expected(
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    terms: Loss = PLAIN,
    softcap: float | None = None,
) -> tuple[float, Tensor, Tensor]:
    """The cross-entropy, and the gradients of the formula with all terms."""
    x, weight = x.double().requires_grad_(), weight.double().requires_grad_()
    logits = x @ weight.T
    if softcap is not None:
        logits = softcap * torch.tanh(logits / softcap)
    loss = F.cross_entropy(logits, targets)
    smoothed = F.cross_entropy(logits, targets, label_smoothing=terms.label_smoothing)
    z_loss = terms.z_loss * torch.logsumexp(logits, dim=1).pow(2).mean()
    torch.autograd.backward(smoothed + z_loss)
    assert x.grad is not None
    assert weight.grad is not None
    return loss.item(), x.grad, weight.grad


def close(found: Tensor | None, exact: Tensor, tolerance: float, scale: float = 0.0) -> bool:
    """Whether two tensors agree relative to the largest entry. If the model is sure, the gradient
    is 1 - softmax, which float32 resolves only to 1e-7 of `scale`."""
    assert found is not None
    allowed = tolerance * float(exact.abs().max()) + 2e-6 * scale
    return float((found.double() - exact).abs().max()) <= allowed


@settings(deadline=None)
@given(
    st.integers(1, 150),  # up to three blocks of rows, the last one incomplete
    st.integers(2, 300),
    st.floats(0.01, 10),
    st.integers(0, 10**6),
    st.sampled_from([1.0, 65_536.0]),
    st.sampled_from(TERMS),
    st.sampled_from([None, 0.7, 30.0]),
)
def test_loss_and_gradients_equal_float64(
    n: int,
    vocabulary: int,
    spread: float,
    seed: int,
    scale: float,
    terms: Loss,
    softcap: float | None,
) -> None:
    """The loss is the plain one, whatever else is minimised."""
    x, weight, targets = problem(n, vocabulary, spread, seed)
    value, of_x, of_weight = expected(x, weight, targets, terms, softcap)
    x.requires_grad_()
    weight.requires_grad_()
    loss = head_loss(x, weight, targets, torch.float32, scale, terms, softcap)
    torch.autograd.backward(loss * 3)
    assert loss.item() / scale == pytest.approx(value, rel=1e-4, abs=1e-4)
    assert close(x.grad, 3 * scale * of_x, 1e-4, 3 * scale)
    assert close(weight.grad, 3 * scale * of_weight, 1e-4, 3 * scale)


@pytest.mark.parametrize(("terms", "softcap"), [(PLAIN, None), (TERMS[-1], None), (PLAIN, 2.0)])
@pytest.mark.parametrize("instructions", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.03), (torch.float16, 0.004)])
def test_products_in_16_bits_leave_gradients_in_float32(
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    tolerance: float,
    instructions: bool,
    terms: Loss,
    softcap: float | None,
) -> None:
    monkeypatch.setattr("noiseband.products.has_products", lambda _: instructions)
    x, weight, targets = problem(100, 50, 1.0, 0)
    _, of_x, of_weight = expected(x, weight, targets, terms, softcap)
    x.requires_grad_()
    weight.requires_grad_()
    loss = head_loss(x, weight, targets, dtype, 65_536.0, terms, softcap)
    torch.autograd.backward(loss)
    assert {loss.dtype, x.grad.dtype, weight.grad.dtype} == {torch.float32}  # type: ignore[union-attr]
    assert close(x.grad, 65_536 * of_x, tolerance)
    assert close(weight.grad, 65_536 * of_weight, tolerance)
    assert not close(weight.grad, 65_536 * of_weight, 1e-5)  # because it was computed in 16 bits


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounded_operands_give_the_gradients_of_16_bit_products(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    x, weight, targets = problem(100, 300, 1.0, 0)
    exact = cached_gradients(x, weight, targets, 8.0)
    monkeypatch.setattr("noiseband.products.has_products", lambda _: True)
    own = cached_gradients(x.to(dtype), weight, targets, 8.0)
    monkeypatch.setattr("noiseband.products.has_products", lambda _: False)
    found = cached_gradients(x.to(dtype), weight, targets, 8.0)
    for one, other, of in zip(found, own, exact, strict=True):
        assert one.dtype is other.dtype
        away = float((other.double() - of.double()).norm())
        assert away > 0.0
        assert float((one.double() - other.double()).norm()) < 0.2 * away


def test_a_logit_far_above_the_others_gives_a_finite_loss() -> None:
    x, weight = torch.tensor([[100.0]]), torch.tensor([[100.0], [0.0], [-100.0]])
    for target, loss in ((0, 0.0), (2, 2e4)):
        found = head_loss(x, weight, torch.tensor([target]), torch.float32)
        assert found.item() == loss


@settings(deadline=None)
@given(
    st.integers(1, 150),
    st.integers(2, 300),
    st.floats(0.01, 10),
    st.integers(0, 10**6),
    st.sampled_from(TERMS),
    st.sampled_from([None, 0.7, 30.0]),
)
def test_a_padded_head_has_the_gradients_of_one_that_is_not(
    n: int, vocabulary: int, spread: float, seed: int, terms: Loss, softcap: float | None
) -> None:
    x, weight, targets = problem(n, vocabulary, spread, seed)
    value, of_x, of_weight = expected(x, weight, targets, terms, softcap)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BLOCK_ROWS, "cuda", 64)  # up to three blocks, the last one incomplete
        padded = padded_gradients(x, weight, targets, 3.0, terms, softcap)
    plain = cached_gradients(x, weight, targets, 3.0, terms, softcap)
    for found in (padded, plain):
        assert found.losses.shape == (n,)
        assert found.losses.mean().item() == pytest.approx(value, rel=1e-4, abs=1e-4)
        assert found.weight.shape == weight.shape
        assert close(found.x, 3 * of_x, 1e-4, 3.0)
        assert close(found.weight, 3 * of_weight, 1e-4, 3.0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.03), (torch.float16, 0.004)])
def test_a_padded_head_sums_16_bit_products_in_float32(
    dtype: torch.dtype, tolerance: float
) -> None:
    x, weight, targets = problem(100, 50, 1.0, 0)
    _, of_x, of_weight = expected(x, weight, targets)
    found = padded_gradients(x.to(dtype), weight, targets, 65_536.0)
    assert (found.x.dtype, found.weight.dtype) == (dtype, torch.float32)
    assert close(found.x, 65_536 * of_x, tolerance)
    assert close(found.weight, 65_536 * of_weight, tolerance)


@pytest.mark.parametrize("terms", TERMS)
def test_the_loss_that_is_compiled_equals_float64(terms: Loss) -> None:
    x, weight, targets = problem(100, 50, 1.0, 0)
    value, of_x, _ = expected(x, weight, targets, terms)
    x.requires_grad_()
    loss = plain_loss(x @ weight.T, targets, terms)
    torch.autograd.backward(loss * 3)
    assert loss.item() == pytest.approx(value, rel=1e-5)
    assert close(x.grad, 3 * of_x, 1e-5)
