"""The switches that decide which arithmetic runs."""

from __future__ import annotations

import pytest
import torch

from noiseband.determinism import autocast, make_deterministic
from noiseband.study.recipe import Precision


@pytest.mark.parametrize(
    ("precision", "tf32"),
    [
        ("float32", False),
        ("tf32", True),
        ("float16-amp", True),
        ("bfloat16-amp", True),
        ("float16-amp-no-tf32", False),
        ("bfloat16-amp-no-tf32", False),
    ],
)
def test_every_switch_is_set(precision: Precision, tf32: bool) -> None:
    make_deterministic(1, precision)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert torch.backends.cuda.matmul.fp32_precision == ("tf32" if tf32 else "ieee")
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("instructions", [True, False])
def test_autocast_changes_the_product_and_not_the_weights(
    monkeypatch: pytest.MonkeyPatch, instructions: bool
) -> None:
    monkeypatch.setattr("noiseband.products.has_products", lambda _: instructions)
    weight = torch.nn.Parameter(torch.randn(3, 3))
    for precision, dtype in (("float32", torch.float32), ("bfloat16-amp", torch.bfloat16)):
        with autocast(precision, torch.device("cpu"))():  # type: ignore[arg-type]
            assert (weight @ weight).dtype == dtype
    assert weight.dtype == torch.float32
