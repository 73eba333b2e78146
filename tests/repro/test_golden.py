"""An independent model has the golden digests; a mismatch names tensor, cause and remedy."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

import noiseband.published
from noiseband.io.digests import digests
from noiseband.model.init import initial_weights
from noiseband.published.golden import golden_digests
from noiseband.repro.golden import complaint
from noiseband.study.architecture import Model
from tests.model.reference_model import reference_parameters

GOLDEN = sorted(
    p.stem for p in (Path(noiseband.published.__file__).parent / "golden_digests").iterdir()
)
START = "v512-c64-w48-h4-l3-reference-42"
REFERENCE = "v50257-c1024-w768-h12-l12-reference"
PUBLISHED = {
    f"{REFERENCE}-42": "48ac9bb1b8ef61c6d48548a308426edd2bd2677bf20dcd2dc38c141fd4fdf0d5",
    f"{REFERENCE}-22": "1ff9009aa430a56488672931be9f8480e810dce0af23c8b51ed1a25c0bc64dc9",
    f"{REFERENCE}-23": "63d6087259a2e57de49799aaf388db08332a5b8a70d4a22fd12a2bb96372db11",
    START: "b3f32d66b1fad1e5833ae7641ab0d85532cff200835c22c02d13c0984f304c94",
}

needs_avx2 = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "DEFAULT",
    reason="the reference digests need AVX2: PyTorch's generator draws in another order without",
)


def test_the_published_digests_are_among_them() -> None:
    for start, sha256 in PUBLISHED.items():
        golden = golden_digests(start)
        assert golden is not None
        assert golden["sha256"] == sha256
    assert golden_digests("v1-c1-w1-h1-l1-reference-42") is None


@needs_avx2
@pytest.mark.parametrize("start", GOLDEN)
def test_a_plain_pytorch_model_has_them_and_so_do_our_weights(start: str) -> None:
    numbers = dict(zip("vcwhl", map(int, (p[1:] for p in start.split("-")[:5])), strict=True))
    bias, tied = "-qkv" in start, "-tied" in start
    seed = int(start.rpartition("-")[2])
    plain = reference_parameters(
        seed, numbers["v"], numbers["c"], numbers["w"], numbers["l"], bias, tied
    )
    golden = golden_digests(start)
    assert digests(plain) == golden
    model = Model(
        vocabulary=numbers["v"], context=numbers["c"], width=numbers["w"], heads=numbers["h"],
        layers=numbers["l"], qkv_bias=bias, tied=tied,
    )  # fmt: skip
    assert f"{model.architecture}-reference-{seed}" == start
    assert digests(initial_weights(model, "reference", seed)) == golden


def test_a_mismatch_says_the_first_tensor_and_the_known_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    golden = golden_digests(START)
    assert golden is not None
    assert complaint(START, golden) is None
    found = copy.deepcopy(golden)
    for name in ("out_head.weight", "trf_blocks.2.att.W_key.weight"):
        found["tensors"][name]["sha256"] = "0" * 64
    cases = [
        ("DEFAULT", "2.13.0", "without AVX2"),
        ("AVX2", "2.14.1+cpu", "drawn with torch 2.13.0, and this is 2.14.1"),
        ("AVX512", "2.13.0+cu130", "damaged or was made by other code"),
    ]
    for capability, version, cause in cases:
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda c=capability: c)
        monkeypatch.setattr(torch, "__version__", version)
        text = complaint(START, found)
        assert text is not None
        assert text.startswith(f"init/{START}.safetensors: 2 of 44 tensors")
        assert "first trf_blocks.2.att.W_key.weight" in text
        assert cause in text
        assert all(remedy in text for remedy in ("`init: keyed`", "`on_mismatch: warn`"))
    assert complaint("v512-c64-w48-h4-l3-keyed-42", found) is None
