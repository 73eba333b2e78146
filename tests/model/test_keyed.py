"""Test the keyed generator against its distributions in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from noiseband.model import keyed
from tests.model import scalar_keyed


def test_quantile_equals_scipys() -> None:
    p = np.concatenate(
        [np.linspace(1e-16, 1 - 1e-12, 200_001), np.exp(np.linspace(-36, -1, 5_001))]
    )
    assert np.abs(keyed.normal_quantile(p) / special.ndtri(p) - 1)[p != 0.5].max() < 1e-12


def test_logarithm_equals_numpys() -> None:
    x = np.concatenate([np.exp(np.linspace(-700, 700, 10_001)), np.linspace(0.5, 2, 10_001)])
    gap = np.abs(keyed.logarithm(x) - np.log(x))
    assert (gap <= 4e-16 * np.maximum(1, np.abs(np.log(x)))).all()


def test_normal_is_standard_normal() -> None:
    draws = keyed.normal(42, "tok_emb.weight", 200_000).astype(np.float64)
    assert stats.kstest(draws, "norm").pvalue > 0.01
    assert abs(draws.std() - 1) < 4 / np.sqrt(2 * len(draws))


def test_uniform_fills_its_interval() -> None:
    draws = keyed.uniform(42, "out_head.weight", 200_000, 0.125).astype(np.float64)
    assert stats.kstest(draws, stats.uniform(-0.125, 0.25).cdf).pvalue > 0.01
    assert np.abs(draws).max() <= 0.125


@given(st.integers(0, 2**62), st.text(max_size=20), st.integers(1, 50))
def test_a_draw_depends_on_seed_and_name_alone(seed: int, name: str, count: int) -> None:
    again = keyed.normal(seed, name, count + 7)[:count]
    assert keyed.normal(seed, name, count).tobytes() == again.tobytes()
    assert keyed.normal(seed + 1, name, count).tobytes() != again.tobytes()
    assert keyed.normal(seed, name + "x", count).tobytes() != again.tobytes()


def test_chunks_do_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = keyed.normal(1, "a", 1_000)
    monkeypatch.setattr(keyed, "CHUNK", 64)
    assert keyed.normal(1, "a", 1_000).tobytes() == whole.tobytes()


@pytest.mark.bits
@pytest.mark.parametrize("seed", [42, 2**62])
def test_the_bits_need_integers_and_ieee_arithmetic_alone(seed: int) -> None:
    name, count = "tok_emb.weight", 3000
    draws = list(itertools.islice(scalar_keyed.uniforms(seed, name), count))
    normal = b"".join(scalar_keyed.float32(scalar_keyed.quantile(u)) for u in draws)
    assert normal == keyed.normal(seed, name, count).tobytes()
    uniform = b"".join(scalar_keyed.float32((2.0 * u - 1.0) * 0.125) for u in draws)
    assert uniform == keyed.uniform(seed, name, count, 0.125).tobytes()


def test_the_far_tail_is_the_same_too() -> None:
    # A test cannot draw values this rare: r > 5, p < 1.4e-11.
    p = np.array([2.0**-53, 1e-15, 1e-12, 1.4e-11, 0.075, 0.925, 1 - 2.0**-53])
    assert keyed.normal_quantile(p).tolist() == [scalar_keyed.quantile(float(x)) for x in p]
