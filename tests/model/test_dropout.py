"""Test the statistics of dropout masks, and what they depend on."""

from __future__ import annotations

import math

import pytest
import torch

from noiseband.model.dropout import dropout, dropout_mask


def mask(size: int, probability: float, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return dropout_mask(torch.empty(size), probability)


@pytest.mark.parametrize("probability", [0.01, 0.1, 0.5, 0.9])
def test_the_share_dropped_is_the_probability(probability: float) -> None:
    size = 400_000
    dropped = (mask(size, probability) == 0).sum().item()
    deviation = math.sqrt(size * probability * (1 - probability))
    assert abs(dropped - size * probability) < 4 * deviation + size * 2**-17


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_what_is_kept_keeps_the_expectation(probability: float) -> None:
    values = sorted(set(mask(100_000, probability).tolist()))
    assert len(values) == 2
    assert values[0] == 0
    assert values[1] == pytest.approx(1 / (1 - probability), rel=2e-5)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 32])
def test_elements_are_independent_though_four_share_a_draw(lag: int) -> None:
    dropped = (mask(400_000, 0.1) == 0).double()
    both = (dropped[lag:] * dropped[:-lag]).mean().item()
    deviation = math.sqrt(0.01 * 0.99 / (len(dropped) - lag))
    assert abs(both - 0.01) < 5 * deviation


def test_the_seed_decides_and_the_number_of_threads_does_not() -> None:
    one = mask(1_000_003, 0.1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(mask(1_000_003, 0.1), one)
    finally:
        torch.set_num_threads(before)
    assert not torch.equal(mask(1_000_003, 0.1, seed=1), one)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1,), (3,), (5, 7), (2, 3, 5)])
def test_shape_and_type_are_kept(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    x = torch.ones(shape, dtype=dtype)
    out = dropout(x, 0.5, training=True)
    assert (out.shape, out.dtype) == (x.shape, dtype)
    assert set(out.flatten().tolist()) <= {0.0, 2.0}


def test_nothing_happens_where_nothing_is_to_be_dropped() -> None:
    x = torch.ones(10)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x
