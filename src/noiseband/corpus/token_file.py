"""Token files with one tensor each, which are mapped into memory and never read whole.

Ids are 16 bits wide in a vocabulary of at most 65,536 ids and 32 bits wide in a larger one: of type
int32, which PyTorch can compute with.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noiseband.errors import UserError
from noiseband.io.checksums import intact

Tokens = npt.NDArray[np.unsignedinteger[Any]]
"""Token ids, of 16 or 32 bits."""

TENSOR = "tokens"
WIDE = 2**16
"""The largest vocabulary whose ids have 16 bits."""
TYPES = {"U16": 2, "I32": 4, "U32": 4}
"""Types of the tensor in safetensors' words, with the bytes of an id. A negative id would read as
one above 2**31, which is outside of any vocabulary."""
HEADER_BYTES = 128
"""Length of a token file's header in bytes: enough for any shape, so that the data is aligned."""

LONGEST_HEADER = 2**20
"""Longest header that is read, in bytes. A file with a longer one is not a token file."""


def token_type(vocabulary: int) -> np.dtype[Any]:
    """The type of ids in memory, and of their bytes in a file, little-endian."""
    return np.dtype("<u2" if vocabulary <= WIDE else "<u4")


def open_tokens(path: Path, *, compare: bool = True) -> Tokens:
    """Return the tokens of a file, shape (n,), mapped read-only.

    Only the header is read, unless `compare` is true and the file has a checksum to compare with.

    Raises UserError if the file is damaged or does not contain exactly one 1-D tensor called
    `tokens`, of type uint16, int32 or uint32.
    """
    if compare:
        intact(path)
    try:
        length, header = _read_header(path)
        ((name, tensor),) = header.items()
        (tokens,) = tensor["shape"]
        width = TYPES[tensor["dtype"]]
        expected = {
            "dtype": tensor["dtype"],
            "shape": [tokens],
            "data_offsets": [0, width * tokens],
        }
        size = 8 + length + width * tokens
        valid = name == TENSOR and tensor == expected and size == path.stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        valid = False
    if not valid:
        raise UserError(
            f"{path}: not a safetensors file with one 1-D U16 or I32 tensor `{TENSOR}`; "
            "remove it and tokenise the corpus again"
        )
    return np.memmap(path, dtype=f"<u{width}", mode="r", offset=8 + length, shape=(tokens,))


def check_tokens(
    window: npt.NDArray[np.integer[Any]], begin: int, vocabulary: int, split: str
) -> None:
    """Raise UserError if a window of a split, shape (n,), contains an id outside the vocabulary.

    `begin` is the window's first token, and `vocabulary` the number of ids, for the message.
    """
    largest = window.max(initial=0)
    if largest >= vocabulary:
        place = begin + int(window.argmax())
        raise UserError(
            f"token {place:,} of the {split} split is {largest:,}, but the model has ids below "
            f"{vocabulary:,}, so the vocabulary differs; tokenise the corpus again"
        )


def token_header(tokens: int, width: int = 2) -> bytes:
    """Return a safetensors header: the length (u64, little-endian) and JSON padded with blanks.

    `width` is the number of bytes of an id.
    """
    dtype = "U16" if width == 2 else "I32"
    tensor = {"dtype": dtype, "shape": [tokens], "data_offsets": [0, width * tokens]}
    text = json.dumps({TENSOR: tensor}).encode().ljust(HEADER_BYTES - 8)
    return struct.pack("<Q", len(text)) + text


def _read_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Return the length of the header's JSON in bytes, and its tensors.

    Raises ValueError or TypeError if it is not a safetensors header.
    """
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
        if length > LONGEST_HEADER:
            raise ValueError(f"the header has {length} bytes")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise TypeError("the header is not an object")
    return length, {name: tensor for name, tensor in header.items() if name != "__metadata__"}
