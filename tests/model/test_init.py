"""Test initial weights: the published series' bits, and keyed tensors' independence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from noiseband.io.digests import digest, digests
from noiseband.model.init import initial_weights
from noiseband.study.architecture import Model

SMALL = Model(vocabulary=512, context=64, width=48, heads=4, layers=3)
REFERENCE = Model(vocabulary=50257, context=1024, width=768, heads=12, layers=12)


@pytest.mark.bits
@pytest.mark.parametrize("change", [{"qkv_bias": True}, {"tied": True}, {"dropout": 0.5}])
def test_keyed_weights_are_equal_where_both_models_have_them(change: dict[str, object]) -> None:
    one = initial_weights(SMALL, "keyed", 42)
    other = initial_weights(SMALL.model_copy(update=change), "keyed", 42)
    shared = one.keys() & other.keys()
    assert len(shared) >= len(one) - 1
    assert all(torch.equal(one[name], other[name]) for name in shared)


def test_qkv_bias_moves_the_reference_weights_after_the_first_bias() -> None:
    # The 53 of 197 equal tensors are the norms and the tensors drawn before the first bias.
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


PROGRAM = """
import sys, torch
from noiseband.model.init import initial_weights
from noiseband.io.digests import digest
from noiseband.study.architecture import Model
torch.set_num_threads(int(sys.argv[1]))
model = Model(vocabulary=512, context=64, width=48, heads=4, layers=3)
print(torch.backends.cpu.get_cpu_capability(), digest(initial_weights(model, "keyed", 42)))
"""


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("capability", ["default", "avx2", "avx512"])
def test_keyed_weights_depend_on_neither_instruction_set_nor_threads(
    capability: str, threads: int
) -> None:
    limited = {
        "default": "AVX512F AVX512CD AVX512_SKX AVX2 FMA3 AVX F16C SSE42 SSE41",
        "avx2": "AVX512F AVX512CD AVX512_SKX",
        "avx512": "",
    }
    environment = {
        **os.environ,
        "ATEN_CPU_CAPABILITY": capability,
        "NPY_DISABLE_CPU_FEATURES": limited[capability],
    }
    command = [sys.executable, "-c", PROGRAM, str(threads)]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    used, sha256 = found.stdout.split()
    if used.lower() != capability:
        pytest.skip(f"this CPU has no {capability}")
    assert sha256 == digest(initial_weights(SMALL, "keyed", 42))
