"""Muon has the bits of PyTorch's class, and its steps are nearly orthogonal."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from noiseband.determinism import products_in
from noiseband.study.optimizer import Muon as Options
from noiseband.train.optimizers.muon import Muon

SHAPES = ((16, 48), (48, 16), (20, 20))


def matrices() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def set_gradients(tensors: list[Tensor], step: int) -> None:
    generator = torch.Generator().manual_seed(100 + step)
    for tensor in tensors:
        tensor.grad = torch.randn(tensor.shape, generator=generator)


@pytest.mark.bits
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"momentum": 0.8, "nesterov": False, "iterations": 3, "scale": "original"},
    ],
    ids=["defaults", "others"],
)
def test_the_bits_are_those_of_pytorchs_class(changes: dict[str, Any]) -> None:
    options = Options(**changes)
    ours, theirs = matrices(), matrices()
    own = Muon(ours, options, weight_decay=0.05)
    reference = torch.optim.Muon(
        theirs, lr=1.0, weight_decay=0.05, momentum=options.momentum, nesterov=options.nesterov,
        ns_steps=options.iterations, adjust_lr_fn=options.scale,
    )  # fmt: skip
    for step, rate in enumerate((0.1, 0.01, 0.03)):
        set_gradients(ours, step)
        set_gradients(theirs, step)
        reference.param_groups[0]["lr"] = rate
        own.step(rate)
        with products_in(torch.bfloat16, torch.device("cpu")):
            reference.step()  # type: ignore[no-untyped-call]
    assert not torch.equal(ours[0], matrices()[0])
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_step_is_that_of_native_products_up_to_their_rounding() -> None:
    """Five iterations of products in bfloat16, whose last bit may differ between processors."""
    ours, theirs = matrices(), matrices()
    set_gradients(ours, 0)
    set_gradients(theirs, 0)
    Muon(ours, Options(scale="original"), weight_decay=0.0).step(1.0)
    torch.optim.Muon(theirs, lr=1.0, weight_decay=0.0).step()  # type: ignore[no-untyped-call]
    for own, other, start in zip(ours, theirs, matrices(), strict=True):
        assert (own - other).norm() < 0.02 * (other - start).norm()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_is_nearly_orthogonal(shape: tuple[int, int]) -> None:
    """All singular values of the step are near that of an orthogonal matrix, whatever those of the
    gradient are. The iterations leave them between about 0.7 and 1.2 (Jordan 2024)."""
    weight = torch.zeros(shape)
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    Muon([weight], Options(scale="original"), weight_decay=0.0).step(1.0)
    values = torch.linalg.svdvals(weight) / math.sqrt(max(1.0, shape[0] / shape[1]))
    assert values.min() > 0.5 and values.max() < 1.3
