"""Test the operations per token and the peaks of devices."""

from __future__ import annotations

import pytest

from noiseband.model.flops import flops_per_token
from noiseband.study.architecture import Model
from noiseband.study.recipe import Precision
from noiseband.train.peak import PEAKS, peak_flops


def test_operations_of_the_163m_model() -> None:
    model = Model(vocabulary=50257, context=1024, width=768, heads=12, layers=12)
    # 6 x 123.6M parameters in matrices and 113.2M for attention
    assert flops_per_token(model) == pytest.approx(0.855e9, rel=1e-3)
    tied = model.model_copy(update={"tied": True})
    assert flops_per_token(tied) == flops_per_token(model)


@pytest.mark.parametrize(
    ("device", "precision", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16-amp", 989.4),
        ("NVIDIA H100 PCIe", "bfloat16-amp", 756),
        ("NVIDIA A100-SXM4-40GB", "tf32", 156),
        ("NVIDIA A100-SXM4-40GB", "float32", 19.5),
        ("NVIDIA GeForce RTX 3090", "float16-amp-no-tf32", 71),
        ("Tesla V100-SXM2-16GB", "tf32", None),
        ("NVIDIA A10G", "float32", None),  # not an A10
        ("Intel(R) Xeon(R) Processor", "float32", None),
    ],
)
def test_peak_by_name(device: str, precision: Precision, tera: float | None) -> None:
    assert peak_flops(device, precision) == (None if tera is None else pytest.approx(tera * 1e12))


def test_sixteen_bits_are_never_slower() -> None:
    for peak in PEAKS.values():
        assert peak.float32 <= (peak.tf32 or peak.float32) < peak.sixteen
