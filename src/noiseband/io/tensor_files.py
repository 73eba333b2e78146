"""Reading of safetensors files of any size, one megabyte at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from noiseband.errors import UserError
from noiseband.io.checksums import intact

CHUNK = 1 << 20
"""Bytes read at once, few enough to stay in a core's cache while they are hashed or compared."""

DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "U16": torch.uint16,
    "I16": torch.int16, "U32": torch.uint32, "I32": torch.int32, "U64": torch.uint64,
    "I64": torch.int64, "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32,
    "F64": torch.float64, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
}  # fmt: skip
"""Safetensors' names for dtypes whose elements are whole bytes."""


@dataclass(frozen=True)
class Entry:
    """The place of a tensor in a file. Elements are little-endian and in row-major order."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    """First byte, counted from the start of the file."""

    @property
    def size(self) -> int:
        """Size of the tensor in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


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
            self.entries[name] = Entry(DTYPES[kind], shape, begin)
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
