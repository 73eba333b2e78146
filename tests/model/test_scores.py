"""Test explicit attention against float64, PyTorch's fused kernel and a plain version."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from noiseband.model import scores
from noiseband.model.dropout import dropout_mask
from noiseband.model.scores import explicit_attention

SHAPES = [(1, 1, 1, 4), (2, 5, 1, 8), (3, 16, 4, 16), (2, 33, 2, 64)]
"""(batch, time, heads, width)"""


def projected(shape: tuple[int, int, int, int]) -> Tensor:
    batch, time, _, width = shape
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(batch, time, 3, width, generator=generator)


def causal(time: int) -> Tensor:
    return torch.full((time, time), -math.inf).triu(1)


def in_float64(x: Tensor, heads: int, keep: Tensor | None) -> Tensor:
    """Attention by its definition, head by head, without a batched product."""
    batch, time, _, width = x.shape
    size = width // heads
    rows = []
    for one in range(batch):
        columns = []
        for head in range(heads):
            query, key, value = x[one, :, :, head * size : (head + 1) * size].unbind(1)
            scores = query @ key.T / math.sqrt(size) + causal(time)
            weights = scores.softmax(-1)
            if keep is not None:
                weights = weights * keep[one * heads + head]
            columns.append(weights @ value)
        rows.append(torch.cat(columns, dim=1))
    return torch.stack(rows)


def with_gradient(x: Tensor, heads: int, dropped: float) -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    leaf = x.clone().requires_grad_()
    out = explicit_attention(leaf, causal(x.shape[1]), heads, dropped)
    torch.autograd.backward((out * torch.arange(out.numel()).view(out.shape).cos()).sum())
    assert leaf.grad is not None
    return out.detach(), leaf.grad


@pytest.mark.parametrize("dropped", [0.0, 0.3])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_float64(
    shape: tuple[int, int, int, int], dropped: float
) -> None:
    batch, time, heads, _ = shape
    x = projected(shape)
    out, gradient = with_gradient(x, heads, dropped)
    keep = None
    if dropped:
        torch.manual_seed(3)
        keep = dropout_mask(torch.empty(batch * heads, time, time), dropped).double()
    exact = x.double().requires_grad_()
    expected = in_float64(exact, heads, keep)
    torch.autograd.backward((expected * torch.arange(out.numel()).view(out.shape).cos()).sum())
    assert exact.grad is not None
    torch.testing.assert_close(out.double(), expected, rtol=1e-5, atol=2e-6)
    torch.testing.assert_close(gradient.double(), exact.grad, rtol=1e-5, atol=5e-6)


@pytest.mark.parametrize("dropped", [0.0, 0.3])
def test_the_derivative_by_hand_is_autograds(
    monkeypatch: pytest.MonkeyPatch, dropped: float
) -> None:
    x = projected((2, 16, 4, 32))
    by_hand = with_gradient(x, 4, dropped)
    monkeypatch.setattr(scores, "by_hand", lambda _: False)
    for own, plain in zip(by_hand, with_gradient(x, 4, dropped), strict=True):
        torch.testing.assert_close(own, plain, rtol=1e-5, atol=2e-6)


def test_without_dropout_it_is_scaled_dot_product_attention() -> None:
    x = projected((2, 16, 4, 32))
    query, key, value = x.view(2, 16, 3, 4, 8).permute(2, 0, 3, 1, 4)
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    found = explicit_attention(x, causal(16), 4, 0.0)
    torch.testing.assert_close(found, expected.transpose(1, 2).flatten(2), rtol=1e-5, atol=2e-6)


def test_a_later_token_changes_nothing_before_it() -> None:
    x = projected((2, 16, 4, 32))
    changed = x.clone()
    changed[:, 9] += 1.0
    before, after = (explicit_attention(one, causal(16), 4, 0.0) for one in (x, changed))
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.equal(before[:, 9], after[:, 9])
