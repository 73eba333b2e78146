"""16-bit products of rounded operands, compared with exact ones and with PyTorch's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from noiseband.products import RoundedProducts, rounded, type_of_operands

CPU = torch.device("cpu")
TYPES = [torch.bfloat16, torch.float16]
SIDE = st.integers(1, 70)


def numbers(*shape: int, spread: float = 1.0, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * spread


def steps_apart(found: Tensor, other: Tensor, magnitude: Tensor) -> Tensor:
    """How many numbers of the 16-bit type two results are apart, element by element.

    A sum in float32 has an error relative to the sum of the magnitudes of its terms. Where the
    terms cancel out, that is more than the spacing of 16-bit numbers near the result.
    """
    near = torch.maximum(found.abs(), other.abs())
    upwards = torch.full_like(near, float("inf"))
    spacing = (torch.nextafter(near, upwards) - near).double()
    error_of_sum = 64 * torch.finfo(torch.float32).eps * magnitude.double()
    difference = (found.double() - other.double()).abs()
    return (difference - error_of_sum).clamp(min=0) / spacing


def check(found: Tensor, own: Tensor, exact: Tensor, magnitude: Tensor) -> None:
    """`exact` is the float64 product of the rounded operands."""
    assert found.dtype is own.dtype
    assert float(steps_apart(found, own, magnitude).max()) <= 1.0
    assert float(steps_apart(found, exact.to(found.dtype), magnitude).max()) <= 1.0
    if found.numel() >= 100:
        assert float((found == own).float().mean()) > 0.95


@settings(deadline=None, max_examples=60)
@given(SIDE, SIDE, SIDE, st.integers(1, 3), st.sampled_from(TYPES), st.floats(0.01, 10), st.data())
def test_a_product_is_pytorchs_own_up_to_the_last_bit(
    rows: int, inner: int, columns: int, many: int, dtype: torch.dtype, spread: float, data: Any
) -> None:
    seed = data.draw(st.integers(0, 10**6))
    left = numbers(many, rows, inner, spread=spread, seed=seed)
    right = numbers(many, columns, inner).transpose(1, 2)  # as keys and weights are
    a, b = left.to(dtype), right.to(dtype)
    magnitude = a.double().abs() @ b.double().abs()
    with RoundedProducts(dtype):
        found = left @ right
    check(found, a @ b, a.double() @ b.double(), magnitude)


@settings(deadline=None, max_examples=40)
@given(SIDE, SIDE, SIDE, st.sampled_from(TYPES), st.integers(0, 10**6))
def test_a_linear_layer_is_pytorchs_own_up_to_the_last_bit(
    rows: int, inner: int, columns: int, dtype: torch.dtype, seed: int
) -> None:
    x, weight = numbers(rows, inner, seed=seed), numbers(columns, inner, seed=seed + 1)
    bias = numbers(columns, seed=seed + 2)
    a, w, b = (tensor.to(dtype).double() for tensor in (x, weight, bias))
    with torch.autocast("cpu", dtype):
        own = F.linear(x, weight, bias)
    with RoundedProducts(dtype):
        found = F.linear(x, weight, bias)
    check(found, own, F.linear(a, w, b), F.linear(a.abs(), w.abs(), b.abs()))


OPERATIONS: dict[str, Any] = {
    "linear": lambda x, y: F.linear(x, y),
    "mm": lambda x, y: torch.mm(x, y.T),
    "matmul": lambda x, y: torch.matmul(x, y.T),
    "@": lambda x, y: x @ y.T,
    "addmm": lambda x, y: torch.addmm(x.new_ones(5), x, y.T),
    "bmm": lambda x, y: torch.bmm(x[None], y.T[None]),
    "baddbmm": lambda x, y: torch.baddbmm(x.new_ones(5), x[None], y.T[None], alpha=0.3),
    "sdpa": lambda x, y: F.scaled_dot_product_attention(x[None], y[None], numbers(1, 5, 24)),
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_product_and_its_gradient_is_that_of_autocast(name: str, dtype: torch.dtype) -> None:
    results = []
    for context in (torch.autocast("cpu", dtype), RoundedProducts(dtype)):
        x, y = numbers(7, 24).requires_grad_(), numbers(5, 24, seed=1).requires_grad_()
        with context:
            out = OPERATIONS[name](x, y)
        assert out.dtype is dtype
        torch.autograd.backward(out.float().square().sum())
        assert x.grad is not None
        results.append([out, x.grad, *([] if y.grad is None else [y.grad])])
    for own, found in zip(*results, strict=True):
        assert found.dtype is own.dtype
        # Rounded to 16 bits there as well, and not left as exact as float32.
        assert torch.equal(found, rounded(found, dtype).to(found.dtype))
        torch.testing.assert_close(found, own, rtol=2 * torch.finfo(dtype).eps, atol=0.02)


def test_everything_else_is_left_alone() -> None:
    x, out = numbers(3, 3), torch.empty(3, 3)
    with RoundedProducts(torch.bfloat16):
        assert torch.softmax(x, 0).dtype is (x + x).dtype is torch.float32
        torch.mm(x, x, out=out)
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
    assert torch.equal(out, x @ x)
    assert (x @ x).dtype is torch.float32


def test_operands_are_float32_only_on_a_cpu_that_has_no_instructions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("noiseband.products.has_products", lambda dtype: dtype is torch.float16)
    assert type_of_operands(torch.bfloat16, CPU) is torch.float32
    assert type_of_operands(torch.bfloat16, torch.device("cuda")) is torch.bfloat16
    assert type_of_operands(torch.float16, CPU) is torch.float16
