"""The first difference between two files, and between two runs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from noiseband.errors import UserError
from noiseband.repro.compare import first_difference, first_different_step, verify_rerun
from noiseband.trace import Row, write_trace


def compare(tmp_path: Path, a: dict[str, Tensor], b: dict[str, Tensor]) -> dict[str, object] | None:
    save_file(a, tmp_path / "a.safetensors")
    save_file(b, tmp_path / "b.safetensors")
    return first_difference(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


def test_equal_bits_are_equal_even_as_nan(tmp_path: Path) -> None:
    tensors = {"x": torch.tensor([math.nan, -0.0, math.inf])}
    assert compare(tmp_path, tensors, {"x": tensors["x"].clone()}) is None


def test_the_first_difference_is_given_in_full(tmp_path: Path) -> None:
    x = torch.arange(12.0).view(3, 4)
    y = x.clone()
    y[1, 2] = 6.5
    y[2, 0] = 0.0
    found = compare(tmp_path, {"a": x.clone(), "b": x}, {"a": x.clone(), "b": y})
    assert found == {
        "tensor": "b",
        "reason": "different values",
        "flat_index": 6,
        "index": [1, 2],
        "values": ["6.0", "6.5"],
        "bits": ["0x40c00000", "0x40d00000"],
        "elements_differing": 2,
        "largest_difference": "8.0",
    }


def test_zero_and_minus_zero_differ(tmp_path: Path) -> None:
    found = compare(tmp_path, {"a": torch.tensor([0.0])}, {"a": torch.tensor([-0.0])})
    assert found is not None
    assert found["bits"] == ["0x00000000", "0x80000000"]


def test_missing_tensors_shapes_and_dtypes(tmp_path: Path) -> None:
    one = {"a": torch.zeros(2), "b": torch.zeros(2)}
    missing = compare(tmp_path, one, {"a": torch.zeros(2)})
    assert missing is not None
    assert (missing["tensor"], "only in" in str(missing["reason"])) == ("b", True)
    shape = compare(tmp_path, one, {**one, "b": torch.zeros(2, 1)})
    assert shape == {"tensor": "b", "reason": "float32 [2] against float32 [2, 1]"}
    dtype = compare(tmp_path, one, {**one, "a": torch.zeros(2, dtype=torch.float16)})
    assert dtype == {"tensor": "a", "reason": "float32 [2] against float16 [2]"}


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("not tensors")
    with pytest.raises(UserError, match="not two readable safetensors"):
        first_difference(tmp_path / "x", tmp_path / "x")


def rows(checksums: list[int]) -> list[Row]:
    return [Row(i, 1.0, 0.1, 1.0, False, False, c) for i, c in enumerate(checksums)]


@pytest.mark.parametrize(
    ("one", "other", "step"),
    [([1, 2, 3], [1, 2, 3], None), ([1, 2, 3], [1, 5, 3], 1), ([1, 2, 3], [1, 2], 2)],
)
def test_the_first_different_step(
    tmp_path: Path, one: list[int], other: list[int], step: int | None
) -> None:
    write_trace(tmp_path / "a.parquet", rows(one))
    write_trace(tmp_path / "b.parquet", rows(other))
    assert first_different_step(tmp_path / "a.parquet", tmp_path / "b.parquet") == step


def test_a_rerun_is_judged_by_weights_and_trace(tmp_path: Path) -> None:
    from noiseband.files import read_json

    for name, last in {"original": 3, "same": 3, "other": 4}.items():
        (tmp_path / name).mkdir()
        save_file({"w": torch.tensor([float(last)])}, tmp_path / name / "model.safetensors")
        write_trace(tmp_path / name / "trace.parquet", rows([1, 2, last]))
    out = tmp_path / "found.json"
    assert verify_rerun(tmp_path / "original", tmp_path / "same", out)
    assert read_json(out)["identical"] is True
    assert not verify_rerun(tmp_path / "original", tmp_path / "other", out)
    found = read_json(out)
    assert (found["first_different_step"], found["first_difference"]["tensor"]) == (2, "w")
