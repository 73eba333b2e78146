"""Which corpora the tokens of a file come from: a segment of one corpus after another."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from noiseband.io.checksums import intact
from noiseband.io.files import atomic

LONGEST = 2**31
"""Tokens of the longest segment, so that lengths fit into 32 bits."""


class OriginWriter:
    """Collects the segments of a file that is being written, with 6 bytes for each of them."""

    def __init__(self) -> None:
        self._corpora, self._tokens = array("H"), array("I")

    def add(self, corpus: int, tokens: int) -> None:
        """Add tokens of a corpus, given by its number, after those that were added before."""
        while tokens > 0:
            last = self._tokens[-1] if self._corpora and self._corpora[-1] == corpus else LONGEST
            part = min(tokens, LONGEST - last or LONGEST)
            if last < LONGEST:
                self._tokens[-1] += part
            else:
                self._corpora.append(corpus)
                self._tokens.append(part)
            tokens -= part

    def write(self, path: Path) -> None:
        """Write two tensors, each of shape (segments,): `corpora` (u16) and `tokens` (u32)."""
        tensors: dict[str, NDArray[Any]] = {
            "corpora": np.array(self._corpora, np.uint16),
            "tokens": np.array(self._tokens, np.uint32),
        }
        with atomic(path) as temporary:
            save_file(tensors, temporary)


class Origin:
    """The corpora of a file's tokens, by number."""

    def __init__(self, corpora: NDArray[np.uint16], tokens: NDArray[np.uint32]) -> None:
        """Segments in order: the number of each one's corpus, and its length, both (segments,)."""
        self._corpora = corpora
        self._starts = np.concatenate([[0], np.cumsum(tokens, dtype=np.int64)])

    @classmethod
    def read(cls, path: Path) -> Origin:
        """The segments that `OriginWriter` wrote."""
        tensors = load_file(intact(path))
        return cls(tensors["corpora"], tensors["tokens"])

    def of(self, places: NDArray[np.int64]) -> NDArray[np.uint16]:
        """The number of the corpus of each token, in the shape of `places`."""
        return self._corpora[np.searchsorted(self._starts, places, side="right") - 1]

    def before(self, places: NDArray[np.int64], corpus: int) -> NDArray[np.int64]:
        """The number of tokens of a corpus before each of these places, in their shape."""
        sizes = np.diff(self._starts) * (self._corpora == corpus)
        own = np.concatenate([[0], np.cumsum(sizes)])
        segment = np.searchsorted(self._starts, places, side="right") - 1
        inside = np.append(sizes > 0, False)[segment]
        return own[segment] + np.where(inside, places - self._starts[segment], 0)
