"""The canonical digest: its definition, and what it does not depend on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from noiseband.repro import digest
from noiseband.repro.digest import digests, file_digests


def test_the_definition_byte_by_byte() -> None:
    tensors = {"b": torch.tensor([[1.0, 2.0]]), "a": torch.tensor([7], dtype=torch.int64)}
    text = b"a\0int64\0001\0" + (7).to_bytes(8, "little")
    text += b"b\0float32\0001,2\0" + b"\0\0\x80\x3f" + b"\0\0\0\x40"
    assert digests(tensors)["sha256"] == hashlib.sha256(text).hexdigest()


def test_order_format_and_header_do_not_count(tmp_path: Path) -> None:
    tensors = {"x": torch.randn(5, 3), "y": torch.randn(2).to(torch.bfloat16)}
    save_file(tensors, tmp_path / "a.safetensors", metadata={"any": "thing"})
    assert file_digests(tmp_path / "a.safetensors") == digests(dict(reversed(tensors.items())))
    transposed = {**tensors, "x": tensors["x"].T.contiguous().T}
    assert digests(transposed) == digests(tensors)


@given(st.integers(0, 14), st.integers(0, 31))
def test_one_flipped_bit_changes_the_whole_and_that_tensor(element: int, bit: int) -> None:
    tensors = {"x": torch.arange(15, dtype=torch.int32), "y": torch.ones(2)}
    before = digests(tensors)
    mask = torch.tensor(1 << bit, dtype=torch.int64).to(torch.int32)
    tensors["x"][element] ^= mask
    after = digests(tensors)
    assert after["sha256"] != before["sha256"]
    assert after["tensors"]["x"] != before["tensors"]["x"]
    assert after["tensors"]["y"] == before["tensors"]["y"]


def test_chunks_do_not_change_the_digest() -> None:
    tensors = {"x": torch.randn(1000)}
    whole = digests(tensors)
    chunk, digest.CHUNK = digest.CHUNK, 7
    try:
        assert digests(tensors) == whole
    finally:
        digest.CHUNK = chunk
