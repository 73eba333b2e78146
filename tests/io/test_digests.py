"""The canonical digest follows its definition and does not depend on format or order."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from noiseband.errors import UserError
from noiseband.io import digests as module
from noiseband.io.digests import digests, file_digests


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


PROGRAM = """
import resource, sys
from pathlib import Path
from noiseband.repro.compare import compare_files
from noiseband.io.digests import file_digests
used = 1024 * int(next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1])
resource.setrlimit(resource.RLIMIT_DATA, (used + 32 * 2**20,) * 2)
file = Path(sys.argv[1])
assert compare_files(file, file).identical
print(file_digests(file)["sha256"])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_a_large_file_needs_little_memory(tmp_path: Path) -> None:
    size = 700 * 2**20  # bytes, all zero, which take no space on the disk
    file = tmp_path / "large.safetensors"
    entry = {"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}
    header = json.dumps(entry).encode().ljust(96)
    file.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(file, 8 + len(header) + size)
    command = [sys.executable, "-c", PROGRAM, str(file)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    hasher = hashlib.sha256(f"w\0float32\0{size // 4}\0".encode())
    for _ in range(700):
        hasher.update(bytes(2**20))
    assert found.stdout.strip() == hasher.hexdigest()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.arange(1000)}, path)
    whole = path.read_bytes()
    cases = [whole[:-1], whole[:50], b"", b"\xff" * 100, whole + b"1"]
    for data in cases:
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"a\.safetensors: not a readable safetensors file"):
            file_digests(path)


def test_chunks_do_not_change_the_digest() -> None:
    tensors = {"x": torch.randn(1000)}
    whole = digests(tensors)
    chunk, module.CHUNK = module.CHUNK, 7
    try:
        assert digests(tensors) == whole
    finally:
        module.CHUNK = chunk
