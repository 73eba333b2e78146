"""The mean of several sets of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseband.errors import UserError
from noiseband.io.digests import digests
from noiseband.io.files import read_json
from noiseband.train.mean_weights import write_mean


def write(path: Path, **tensors: list[float]) -> Path:
    save_file({name: torch.tensor(values) for name, values in tensors.items()}, path)
    return path


def test_the_mean_is_rounded_once(tmp_path: Path) -> None:
    # Summed in float32, the first element would lose both small numbers.
    files = [
        write(tmp_path / "0.safetensors", a=[2.0**24, 1.0], b=[4.0]),
        write(tmp_path / "1.safetensors", a=[1.0, 2.0], b=[5.0]),
        write(tmp_path / "2.safetensors", a=[1.0, 6.0], b=[float("nan")]),
    ]
    out = tmp_path / "mean/model.safetensors"
    write_mean(files, out)
    found = load_file(out)
    assert found["a"].tolist() == [torch.tensor((2.0**24 + 2) / 3).item(), 3.0]
    assert found["b"].isnan().all()
    assert {one.dtype for one in found.values()} == {torch.float32}
    assert read_json(out.with_name("model.json")) == digests(found)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    files = [write(tmp_path / "0.safetensors", a=[1.0]), write(tmp_path / "1.safetensors", b=[1.0])]
    with pytest.raises(UserError, match="has other weights than"):
        write_mean(files, tmp_path / "model.safetensors")
