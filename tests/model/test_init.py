"""Initial weights: the reference's bits, and keyed weights that do not disturb each other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from noiseband.model.init import initial_weights
from noiseband.repro.digest import digests
from noiseband.study.recipe import Model

SMALL = Model(vocabulary=512, context=64, width=48, heads=4, layers=3)
REFERENCE = Model(vocabulary=50257, context=1024, width=768, heads=12, layers=12)


@pytest.mark.parametrize("change", [{"qkv_bias": True}, {"tied": True}, {"dropout": 0.5}])
def test_keyed_weights_are_equal_where_both_models_have_them(change: dict[str, object]) -> None:
    one = initial_weights(SMALL, "keyed", 42)
    other = initial_weights(SMALL.model_copy(update=change), "keyed", 42)
    shared = one.keys() & other.keys()
    assert len(shared) >= len(one) - 1
    assert all(torch.equal(one[name], other[name]) for name in shared)


def test_qkv_bias_moves_the_reference_weights_after_the_first_bias() -> None:
    # 53 of 197 tensors equal in the published model of 12 layers; all but norms come after.
    plain = digests(initial_weights(REFERENCE, "reference", 42))["tensors"]
    biased = REFERENCE.model_copy(update={"qkv_bias": True})
    other = digests(initial_weights(biased, "reference", 42))["tensors"]
    assert len(other) == 197
    assert sum(other[name] == plain.get(name) for name in other) == 53


def test_parameter_counts_are_the_published_ones() -> None:
    def count(**change: object) -> int:
        from noiseband.model.gpt import empty_model

        model = empty_model(REFERENCE.model_copy(update=change))
        return sum(p.numel() for p in model.parameters())

    assert (count(), count(qkv_bias=True), count(tied=True)) == (
        163_009_536,
        163_037_184,
        124_412_160,
    )


def test_linear_weights_and_biases_have_pytorchs_bounds() -> None:
    weights = initial_weights(SMALL.model_copy(update={"qkv_bias": True}), "keyed", 7)
    for name in ("trf_blocks.0.ff.layers.2.weight", "trf_blocks.0.ff.layers.2.bias"):
        bound = (4 * SMALL.width) ** -0.5
        largest = float(weights[name].abs().max())
        assert 0.9 * bound < largest <= bound
    assert float(weights["tok_emb.weight"].std()) == pytest.approx(1, abs=0.02)
    assert torch.equal(weights["final_norm.scale"], torch.ones(48))


@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_keyed_weights_do_not_depend_on_the_instruction_set(capability: str) -> None:
    program = (
        "from noiseband.model.init import initial_weights as w;"
        "from noiseband.repro.digest import digests as d;"
        "from noiseband.study.recipe import Model as M;"
        "print(d(w(M(vocabulary=512,context=64,width=48,heads=4,layers=3),'keyed',42))['sha256'])"
    )
    environment = {
        **os.environ,
        "ATEN_CPU_CAPABILITY": capability,
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX AVX2 FMA3",
    }
    found = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == digests(initial_weights(SMALL, "keyed", 42))["sha256"]
