"""The canonical digest of named tensors, independent of file format and of order in the file.

SHA-256 over the tensors sorted by name. Each contributes, in this order: its name (UTF-8), a zero
byte, its dtype as PyTorch prints it (`float32`), a zero byte, its shape in decimal joined by
commas, a zero byte, and its elements as contiguous little-endian bytes in row-major order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

CHUNK = 1 << 24
"""Bytes hashed at once."""

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integer type of the same size as an element: what its bits are read as."""


def _update(hasher: Any, name: str, tensor: Tensor) -> None:
    dtype = str(tensor.dtype).removeprefix("torch.")
    shape = ",".join(map(str, tensor.shape))
    hasher.update(f"{name}\0{dtype}\0{shape}\0".encode())
    elements = tensor.detach().cpu().contiguous().reshape(-1).view(BITS[tensor.element_size()])
    data = elements.numpy()
    # Chunks of a flat view, no second copy of a large tensor (where the machine is little-endian).
    data = data.astype(data.dtype.newbyteorder("<"), copy=False).view("u1")
    for begin in range(0, data.size, CHUNK):
        hasher.update(data[begin : begin + CHUNK])


def tensor_digest(name: str, tensor: Tensor) -> str:
    """Digest of one named tensor, hexadecimal."""
    hasher = hashlib.sha256()
    _update(hasher, name, tensor)
    return hasher.hexdigest()


def _digests(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Any]:
    whole, each = hashlib.sha256(), {}
    for name, tensor in tensors:
        _update(whole, name, tensor)
        each[name] = {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "sha256": tensor_digest(name, tensor),
        }
    return {"sha256": whole.hexdigest(), "tensors": each}


def digests(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """`{"sha256": whole, "tensors": {name: {dtype, shape, sha256}}}`, sorted by name."""
    return _digests(sorted(tensors.items()))


def file_digests(path: Path) -> dict[str, Any]:
    """As `digests`, of a safetensors file, holding one tensor in memory at a time."""
    with safe_open(path, framework="pt") as file:
        return _digests((name, file.get_tensor(name)) for name in sorted(file.keys()))
