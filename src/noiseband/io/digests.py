"""The canonical digest of named tensors, independent of the file format and the order in the file.

It is the SHA-256 over the tensors sorted by name. Each contributes, in this order: its name
(UTF-8), a zero byte, its dtype as PyTorch prints it (`float32`), a zero byte, its shape in decimal
joined by commas, a zero byte, and its elements as contiguous little-endian bytes in row-major
order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noiseband.io.tensor_files import TensorFile

if TYPE_CHECKING:
    from torch import Tensor

BITS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}
"""Element size in bytes to PyTorch's name of the integer type as which the element's bits are
read."""

CHUNK = 1 << 20
"""Bytes hashed at once. They stay in the core's cache while two hashes are computed."""


@dataclass(frozen=True)
class Named:
    """The parts of a tensor that the digest covers."""

    name: str
    dtype: str
    """PyTorch's name of the dtype, such as `float32`."""
    shape: tuple[int, ...]
    chunks: Callable[[], Iterator[memoryview]]
    """Returns the tensor's bytes, piece by piece."""

    @property
    def header(self) -> bytes:
        """The bytes that are hashed before the elements."""
        return f"{self.name}\0{self.dtype}\0{','.join(map(str, self.shape))}\0".encode()


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the digest of all tensors together, in hexadecimal."""
    return _whole(_named(tensors))


def digests(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return `{"sha256": whole, "tensors": {name: {dtype, shape, sha256}}}`, sorted by name.

    A tensor's own digest is the digest of the set that contains only this tensor.
    """
    return _each(_named(tensors))


def file_digest(path: Path) -> str:
    """The same as `digest`, for a safetensors file. Raises UserError if it cannot be read."""
    return _whole(_in_file(path))


def file_digests(path: Path) -> dict[str, Any]:
    """The same as `digests`, for a safetensors file. Raises UserError if it cannot be read."""
    return _each(_in_file(path))


def _whole(tensors: list[Named]) -> str:
    hasher = hashlib.sha256()
    for tensor in tensors:
        hasher.update(tensor.header)
        for chunk in tensor.chunks():
            hasher.update(chunk)
    return hasher.hexdigest()


def _each(tensors: list[Named]) -> dict[str, Any]:
    whole, each = hashlib.sha256(), {}
    for tensor in tensors:
        own = hashlib.sha256(tensor.header)
        whole.update(tensor.header)
        for chunk in tensor.chunks():
            own.update(chunk)
            whole.update(chunk)
        each[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "sha256": own.hexdigest(),
        }
    return {"sha256": whole.hexdigest(), "tensors": each}


def _named(tensors: Mapping[str, Tensor]) -> list[Named]:
    return [
        Named(
            name,
            str(tensor.dtype).removeprefix("torch."),
            tuple(tensor.shape),
            partial(_chunks, tensor),
        )
        for name, tensor in sorted(tensors.items())
    ]


def _in_file(path: Path) -> list[Named]:
    file = TensorFile(path)
    return [
        Named(name, entry.dtype, entry.shape, partial(file.chunks, name))
        for name, entry in sorted(file.entries.items())
    ]


def _chunks(tensor: Tensor) -> Iterator[memoryview]:
    import torch  # of a file, tensors are digested without it

    bits = getattr(torch, BITS[tensor.element_size()])
    elements = tensor.detach().cpu().contiguous().reshape(-1).view(bits)
    data = elements.numpy()
    # Pieces of a flat view, so that a large tensor is not copied on a little-endian machine.
    data = data.astype(data.dtype.newbyteorder("<"), copy=False).view("u1")
    for begin in range(0, data.size, CHUNK):
        yield data[begin : begin + CHUNK].data
