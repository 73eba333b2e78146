"""Reading of safetensors files of any size, one megabyte at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from noiseband.errors import UserError
from noiseband.io.checksums import intact

CHUNK = 1 << 20
"""Bytes read at once, few enough to stay in a core's cache while they are hashed or compared."""

DTYPES = {
    "BOOL": ("bool", 1), "U8": ("uint8", 1), "I8": ("int8", 1), "U16": ("uint16", 2),
    "I16": ("int16", 2), "U32": ("uint32", 4), "I32": ("int32", 4), "U64": ("uint64", 8),
    "I64": ("int64", 8), "F16": ("float16", 2), "BF16": ("bfloat16", 2), "F32": ("float32", 4),
    "F64": ("float64", 8), "F8_E4M3": ("float8_e4m3fn", 1), "F8_E5M2": ("float8_e5m2", 1),
    "C64": ("complex64", 8),
}  # fmt: skip
"""PyTorch's name and the element size in bytes of each safetensors dtype whose elements are whole
bytes. As names, so that reading a file does not import PyTorch."""


@dataclass(frozen=True)
class Entry:
    """The place of a tensor in a file. Elements are little-endian and in row-major order."""

    dtype: str
    """PyTorch's name of the dtype, such as `float32`."""
    itemsize: int
    """Size of an element in bytes."""
    shape: tuple[int, ...]
    begin: int
    """First byte, counted from the start of the file."""

    @property
    def size(self) -> int:
        """Size of the tensor in bytes."""
        return math.prod(self.shape) * self.itemsize


class TensorFile:
    """The tensors of a safetensors file. Reading takes memory for one chunk only."""

    def __init__(self, path: Path) -> None:
        """Raise UserError if the file is damaged, not safetensors, or has an unknown dtype."""
        self.path = path
        self.entries: dict[str, Entry] = {}
        """The tensors' places by name, in the order of the file."""
        try:
            # The library checks that the tensors follow one another without gaps or overlaps.
            with safe_open(intact(path), framework="numpy") as file:
                self.metadata: dict[str, str] = file.metadata() or {}
                headers = [(name, file.get_slice(name)) for name in file.offset_keys()]
                kinds = [(name, one.get_dtype(), tuple(one.get_shape())) for name, one in headers]
            with open(path, "rb") as raw:
                begin = 8 + int.from_bytes(raw.read(8), "little")
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path}: not a readable safetensors file ({error})") from error
        for name, kind, shape in kinds:
            if kind not in DTYPES:
                raise UserError(f"{path}: tensor {name} has type {kind}, which is not supported")
            self.entries[name] = Entry(*DTYPES[kind], shape, begin)
            begin += self.entries[name].size

    def chunks(self, name: str) -> Iterator[memoryview]:
        """Yield a tensor's bytes in order. Each piece is valid until the next one is requested.

        Raises UserError if the file ends early.
        """
        entry = self.entries[name]
        buffer = memoryview(bytearray(min(CHUNK, entry.size)))
        with open(self.path, "rb") as file:
            file.seek(entry.begin)
            left = entry.size
            while left:
                piece = buffer[:left]
                if file.readinto(piece) < len(piece):
                    raise UserError(f"{self.path}: ends within tensor {name}")
                yield piece
                left -= len(piece)
