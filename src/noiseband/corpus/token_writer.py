"""Token files that are written in pieces, without holding them in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from noiseband.corpus.token_file import Tokens, token_header
from noiseband.io.files import atomic

CHUNK = 2**20
"""Tokens that are written together."""


def write_pieces(path: Path, pieces: Iterable[Tokens], width: int) -> int:
    """Write a token file from its pieces in order, each of shape (n,), and return its length.

    `width` is the number of bytes of an id.
    """
    total, dtype = 0, f"<u{width}"
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.write(token_header(0, width))
        held: list[Tokens] = []
        size = 0
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= CHUNK:
                file.write(np.concatenate(held).astype(dtype, copy=False).data)
                total, held, size = total + size, [], 0
        if held:
            file.write(np.concatenate(held).astype(dtype, copy=False).data)
        total += size
        file.seek(0)
        file.write(token_header(total, width))  # Headers of all lengths have the same size.
    return total
