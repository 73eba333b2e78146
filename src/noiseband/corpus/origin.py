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
    """Collects the segments of a file that is being written, with 6 bytes for each of them, or 14
    if their places are given."""

    def __init__(self) -> None:
        self._corpora, self._tokens, self._begins = array("H"), array("I"), array("Q")

    def add(self, corpus: int, tokens: int, begin: int | None = None) -> None:
        """Add tokens of a corpus, given by its number, after those that were added before.

        `begin` is the place in the corpus of the first of at most `LONGEST` tokens, and is given
        always or never; without it a corpus's tokens are added in order.
        """
        if begin is not None:
            self._corpora.append(corpus)
            self._tokens.append(tokens)
            self._begins.append(begin)
            return
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
        """Write tensors of shape (segments,): `corpora` (u16), `tokens` (u32) and, if places were
        given, `begins` (u64)."""
        tensors: dict[str, NDArray[Any]] = {
            "corpora": np.array(self._corpora, np.uint16),
            "tokens": np.array(self._tokens, np.uint32),
        }
        if self._begins:
            tensors["begins"] = np.array(self._begins, np.uint64)
        with atomic(path) as temporary:
            save_file(tensors, temporary)


class Origin:
    """The corpora of a file's tokens, by number."""

    def __init__(
        self,
        corpora: NDArray[np.uint16],
        tokens: NDArray[np.uint32],
        begins: NDArray[np.uint64] | None = None,
    ) -> None:
        """Segments in order: the number of each one's corpus, its length, and the place in the
        corpus where it begins (None if they are in order), all (segments,)."""
        self._corpora = corpora
        self._starts = np.concatenate([[0], np.cumsum(tokens, dtype=np.int64)])
        self._begins = np.zeros(len(corpora), np.int64)
        if begins is not None:
            self._begins[:] = begins
            return
        for corpus in np.unique(corpora):
            own = corpora == corpus
            self._begins[own] = np.cumsum(tokens[own], dtype=np.int64) - tokens[own]

    @classmethod
    def read(cls, path: Path) -> Origin:
        """The segments that `OriginWriter` wrote."""
        tensors = load_file(intact(path))
        return cls(tensors["corpora"], tensors["tokens"], tensors.get("begins"))

    @property
    def starts(self) -> NDArray[np.int64]:
        """The place of each segment's first token in the file, and the file's length at the end,
        (segments + 1,)."""
        return self._starts

    def of(self, places: NDArray[np.int64]) -> NDArray[np.uint16]:
        """The number of the corpus of each token, in the shape of `places`."""
        return self._corpora[np.searchsorted(self._starts, places, side="right") - 1]

    def own(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each token in its corpus, in the shape of `places`. A corpus that is read
        round goes on counting, so this is a place modulo its size."""
        segment = np.searchsorted(self._starts, places, side="right") - 1
        found: NDArray[np.int64] = self._begins[segment] + places - self._starts[segment]
        return found

    def before(self, places: NDArray[np.int64], corpus: int) -> NDArray[np.int64]:
        """The number of tokens of a corpus before each of these places, in their shape."""
        sizes = np.diff(self._starts) * (self._corpora == corpus)
        own = np.concatenate([[0], np.cumsum(sizes)])
        segment = np.searchsorted(self._starts, places, side="right") - 1
        inside = np.append(sizes > 0, False)[segment]
        return own[segment] + np.where(inside, places - self._starts[segment], 0)
