"""Cross-entropy against PyTorch's in float64, value and gradient."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.train.loss import cross_entropy


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(2, 300), st.floats(0.01, 100), st.integers(0, 10**6))
def test_loss_and_gradient_equal_float64(n: int, vocabulary: int, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, vocabulary, generator=generator) * scale
    targets = torch.randint(0, vocabulary, (n,), generator=generator)
    exact = logits.double().requires_grad_()
    expected = F.cross_entropy(exact, targets)
    torch.autograd.backward(expected)
    own = logits.clone().requires_grad_()
    loss = cross_entropy(own * 1, targets)
    torch.autograd.backward(loss * 3)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)
    assert exact.grad is not None
    assert own.grad is not None
    assert torch.allclose(own.grad.double(), 3 * exact.grad, rtol=1e-4, atol=1e-6)


def test_logits_of_16_bits_keep_their_dtype_in_the_gradient() -> None:
    logits = torch.randn(4, 9, dtype=torch.bfloat16, requires_grad=True)
    loss = cross_entropy(logits * 1, torch.tensor([0, 1, 2, 3]))
    torch.autograd.backward(loss)
    assert loss.dtype == torch.float32
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16


def test_a_logit_far_above_the_others_gives_a_finite_loss() -> None:
    logits = torch.tensor([[1e4, 0.0, -1e4]])
    assert cross_entropy(logits.clone(), torch.tensor([0])).item() == 0.0
    assert cross_entropy(logits.clone(), torch.tensor([2])).item() == 2e4
