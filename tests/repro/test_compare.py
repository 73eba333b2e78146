"""The first difference between two tensor files is described in full."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from noiseband.io import tensor_files
from noiseband.io.digests import BITS, digests
from noiseband.repro.compare import Comparison, compare_digests, compare_files


def compare(tmp_path: Path, a: dict[str, Tensor], b: dict[str, Tensor]) -> Comparison:
    save_file(a, tmp_path / "a.safetensors")
    save_file(b, tmp_path / "b.safetensors")
    return compare_files(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


def first(tmp_path: Path, a: Tensor, b: Tensor) -> dict[str, Any]:
    found = compare(tmp_path, {"x": a}, {"x": b}).first
    assert found is not None
    return found.as_dict()


def test_equal_bits_are_equal_even_as_nan(tmp_path: Path) -> None:
    tensors = {"x": torch.tensor([math.nan, -0.0, math.inf])}
    assert compare(tmp_path, tensors, {"x": tensors["x"].clone()}).identical


def test_the_first_difference_is_given_in_full(tmp_path: Path) -> None:
    x = torch.arange(12.0).view(3, 4)
    y = x.clone()
    y[1, 2] = 6.5
    y[2, 0] = 0.0
    found = compare(tmp_path, {"a": x.clone(), "b": x}, {"a": x.clone(), "b": y})
    assert (found.tensors, len(found.differences)) == (2, 1)
    assert found.differences[0].as_dict() == {
        "tensor": "b",
        "reason": "different values",
        "flat_index": 6,
        "index": [1, 2],
        "values": ("6.0", "6.5"),
        "bits": ("0x40c00000", "0x40d00000"),
        "differing": 2,
        "elements": 12,
        "largest_difference": "8.0",
    }


def test_zero_and_minus_zero_differ(tmp_path: Path) -> None:
    found = first(tmp_path, torch.tensor(0.0), torch.tensor(-0.0))
    assert (found["bits"], found["index"]) == (("0x00000000", "0x80000000"), [])


def test_two_nans_of_other_bits_differ_and_are_counted(tmp_path: Path) -> None:
    bits = torch.tensor([0x7FC00000, 0x7FC00001, 0x3F800000], dtype=torch.int32)
    other = torch.tensor([0x7FC00002, 0x7FC00001, 0x7FC00000], dtype=torch.int32)
    found = first(tmp_path, bits.view(torch.float32), other.view(torch.float32))
    assert (found["differing"], found["nan_pairs"], found["values"]) == (2, 2, ("nan", "nan"))
    assert "largest_difference" not in found


@pytest.mark.parametrize(
    ("dtype", "values", "gap"),
    [
        (torch.int64, (-(2**63), 2**63 - 1), str(2**64 - 1)),
        (torch.uint8, (0, 255), "255"),
        (torch.bool, (False, True), "1"),
        (torch.bfloat16, (1.0, math.inf), "inf"),
        (torch.float16, (1.0, -1.0), "2.0"),
        (torch.float64, (1e300, 0.0), "1e+300"),
        (torch.float8_e4m3fn, (1.0, 2.0), "1.0"),
        (torch.complex64, (3.0 + 4.0j, 0.0j), "5.0"),
    ],
)
def test_every_type(tmp_path: Path, dtype: torch.dtype, values: Any, gap: str) -> None:
    one, other = (torch.tensor([value], dtype=dtype) for value in values)
    assert first(tmp_path, one, other)["largest_difference"] == gap


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from([torch.float32, torch.bfloat16, torch.float64, torch.int16]),
    st.lists(st.tuples(st.integers(0, 199), st.integers(0, 15)), max_size=6, unique=True),
    st.sampled_from([16, 48, 1 << 20]),
)
def test_as_numpy_finds_it_in_any_chunks(
    tmp_path: Path, dtype: torch.dtype, flips: list[tuple[int, int]], chunk: int
) -> None:
    x = torch.arange(200).to(dtype).view(4, 50)
    y = x.clone()
    for element, bit in flips:
        y.view(-1).view(getattr(torch, BITS[dtype.itemsize]))[element] ^= 1 << bit
    before, tensor_files.CHUNK = tensor_files.CHUNK, chunk
    try:
        found = compare(tmp_path, {"x": x}, {"x": y}).first
    finally:
        tensor_files.CHUNK = before
    elements = sorted({element for element, _ in flips})
    assert (found is None) == (not elements)
    if found is None:
        return
    gaps = np.abs((x.double() - y.double()).numpy().reshape(-1)[elements])
    assert (found.flat_index, found.differing) == (elements[0], len(elements))
    assert found.index == list(divmod(elements[0], 50))
    known = gaps[~np.isnan(gaps)]
    assert float(found.largest_difference or "nan") == pytest.approx(
        known.max() if len(known) else math.nan, nan_ok=True
    )


def test_missing_tensors_shapes_and_dtypes(tmp_path: Path) -> None:
    one = {"a": torch.zeros(2), "b": torch.zeros(2)}
    cases = [
        ({"a": torch.zeros(2)}, "b", "only in the first"),
        ({**one, "c": torch.zeros(2)}, "c", "only in the second"),
        ({**one, "b": torch.zeros(2, 1)}, "b", "float32 [2] against float32 [2, 1]"),
        ({**one, "a": torch.zeros(2).half()}, "a", "float32 [2] against float16 [2]"),
    ]
    for other, name, reason in cases:
        for found in (compare(tmp_path, one, other), compare_digests(digests(one), digests(other))):
            assert [(d.tensor, d.reason) for d in found.differences] == [(name, reason)]


def test_the_first_tensor_is_the_first_of_the_forward_pass(tmp_path: Path) -> None:
    names = ["out_head.weight", "trf_blocks.10.att.W_key.weight", "trf_blocks.9.ff.layers.0.bias"]
    found = compare(tmp_path, {n: torch.zeros(1) for n in names}, {n: torch.ones(1) for n in names})
    assert [difference.tensor for difference in found.differences] == [
        "trf_blocks.9.ff.layers.0.bias", "trf_blocks.10.att.W_key.weight", "out_head.weight",
    ]  # fmt: skip
