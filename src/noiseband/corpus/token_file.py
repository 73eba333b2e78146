"""Token files: one 16-bit tensor each, mapped into memory and never read whole."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noiseband.errors import UserError
from noiseband.io.checksums import intact

TENSOR = "tokens"
HEADER_BYTES = 128
"""Length of a token file's header: enough for any shape, and the data starts aligned."""

LONGEST_HEADER = 2**20
"""Longer headers than this are not read: a file that starts so is none of ours."""


def open_tokens(path: Path, *, compare: bool = True) -> npt.NDArray[np.uint16]:
    """The tokens of a file, shape (n,), mapped read-only.

    Nothing but the header is read, unless the file has a checksum to `compare` with.

    Raises UserError for anything but a file with one 1-D uint16 tensor called `tokens`, and for a
    damaged one.
    """
    if compare:
        intact(path)
    try:
        length, header = _read_header(path)
        ((name, tensor),) = header.items()
        (tokens,) = tensor["shape"]
        expected = {"dtype": "U16", "shape": [tokens], "data_offsets": [0, 2 * tokens]}
        size = 8 + length + 2 * tokens
        valid = name == TENSOR and tensor == expected and size == path.stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        valid = False
    if not valid:
        raise UserError(
            f"{path}: not a safetensors file with one 1-D U16 tensor `{TENSOR}`; "
            "remove it and tokenise the corpus again"
        )
    return np.memmap(path, dtype="<u2", mode="r", offset=8 + length, shape=(tokens,))


def check_tokens(
    window: npt.NDArray[np.integer[Any]], begin: int, vocabulary: int, split: str
) -> None:
    """Raises UserError where a segment of a split, shape (n,), from token `begin` on, holds an id
    that a model of so many ids does not know."""
    largest = window.max(initial=0)
    if largest >= vocabulary:
        place = begin + int(window.argmax())
        raise UserError(
            f"token {place:,} of the {split} split is {largest:,}, and the model knows ids below "
            f"{vocabulary:,}: the tokens are of another vocabulary; tokenise the corpus again"
        )


def token_header(tokens: int) -> bytes:
    """Header of a safetensors file: length (u64, little-endian) and JSON, padded with blanks."""
    tensor = {"dtype": "U16", "shape": [tokens], "data_offsets": [0, 2 * tokens]}
    text = json.dumps({TENSOR: tensor}).encode().ljust(HEADER_BYTES - 8)
    return struct.pack("<Q", len(text)) + text


def _read_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Length of the JSON in bytes, and its tensors; ValueError or TypeError for anything else."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
        if length > LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise TypeError("a header that is no object")
    return length, {name: tensor for name, tensor in header.items() if name != "__metadata__"}
