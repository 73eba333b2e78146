"""Test that draws follow the distribution after temperature, top-k and top-p."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from noiseband.model.sampling import Sampling, draw

PROBABILITIES = [0.05, 0.4, 0.1, 0.25, 0.2]
LOGITS = torch.tensor(PROBABILITIES).log() + 7.0


def drawn(logits: torch.Tensor, sampling: Sampling, times: int = 400) -> Counter[int]:
    generator = torch.Generator().manual_seed(1)
    return Counter(draw(logits, sampling, generator) for _ in range(times))


@pytest.mark.parametrize(
    "sampling, kept",
    [
        (Sampling(1.0), [0, 1, 2, 3, 4]),
        (Sampling(1.0, top_k=2), [1, 3]),
        (Sampling(1.0, top_k=9), [0, 1, 2, 3, 4]),
        # 0.4 + 0.25 is less than 0.7; 0.4 + 0.25 + 0.2 is not.
        (Sampling(1.0, top_p=0.7), [1, 3, 4]),
        (Sampling(1.0, top_p=0.3), [1]),
        (Sampling(1.0, top_p=1.0), [0, 1, 2, 3, 4]),
        # The three likeliest have 0.85 in all, of which the first two have 0.76.
        (Sampling(1.0, top_k=3, top_p=0.75), [1, 3]),
        # At a low temperature the likeliest alone has more than 0.7.
        (Sampling(0.25, top_p=0.7), [1]),
    ],
)
def test_who_may_be_drawn(sampling: Sampling, kept: list[int]) -> None:
    assert sorted(drawn(LOGITS, sampling)) == kept


def test_how_often() -> None:
    times = 20_000
    powers = {i: PROBABILITIES[i] ** 2 for i in (1, 3, 4)}
    found = drawn(LOGITS, Sampling(0.5, top_k=3), times)
    for token, power in powers.items():
        expected = power / sum(powers.values())
        error = math.sqrt(expected * (1 - expected) / times)
        assert abs(found[token] / times - expected) < 4 * error


def test_ties_stay_in() -> None:
    even = torch.zeros(4)
    assert set(drawn(even, Sampling(1.0, top_k=2))) == {0, 1, 2, 3}
    assert set(drawn(even, Sampling(1.0, top_p=0.5))) == {0, 1, 2, 3}


@given(st.floats(0.05, 1.0), st.lists(st.floats(-8, 8), min_size=2, max_size=30))
def test_top_p_keeps_the_fewest_that_are_enough(top_p: float, logits: list[float]) -> None:
    weights = [math.exp(x) for x in logits]
    shares = sorted((w / sum(weights) for w in weights), reverse=True)
    few = next(n for n in range(1, len(shares) + 1) if sum(shares[:n]) >= top_p - 1e-5)
    found = drawn(torch.tensor(logits), Sampling(1.0, top_p=top_p), 20)
    assert all(weights[i] / sum(weights) >= shares[few - 1] * (1 - 1e-5) for i in found)


def test_no_temperature_is_too_small_and_no_logit_too_large() -> None:
    generator = torch.Generator().manual_seed(1)
    assert draw(LOGITS * 1e30, Sampling(1e-38), generator) == 1
    for worst in (math.inf, math.nan):
        assert draw(torch.tensor([0.0, 1.0, worst, worst]), Sampling(1.0), generator) == 2
