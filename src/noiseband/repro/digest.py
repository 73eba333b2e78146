"""The canonical digest of named tensors, independent of file format and of order in the file.

SHA-256 over the tensors sorted by name. Each contributes, in this order: its name (UTF-8), a zero
byte, its dtype as PyTorch prints it (`float32`), a zero byte, its shape in decimal joined by
commas, a zero byte, and its elements as contiguous little-endian bytes in row-major order.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

CHUNK = 1 << 24


def _update(hasher: Any, name: str, tensor: Tensor) -> None:
    dtype = str(tensor.dtype).removeprefix("torch.")
    shape = ",".join(map(str, tensor.shape))
    hasher.update(f"{name}\0{dtype}\0{shape}\0".encode())
    if sys.byteorder != "little":
        raise NotImplementedError("digests are defined over little-endian bytes")
    # Chunks of a flat view: no second copy of a large tensor.
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
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
