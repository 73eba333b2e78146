"""Shuffling of any number of documents by a hash of their ids, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import struct
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from noiseband.corpus.documents import Document
from noiseband.corpus.journal import Journal
from noiseband.corpus.reading import Reading

BUCKETS = 64
"""Number of files to which documents are distributed by their hash. Each file is sorted separately
while its texts stay on the disk. All are open at once, which every system allows."""
SAVED_EVERY = 10_000
"""Number of documents after which the place is written down where an interrupted reading goes on.
"""
HEADER = struct.Struct("<32sQQ")
"""Header of each document: the SHA-256 of its id, its number, and the length of the rest."""


class Shuffled:
    """Documents in the order of the SHA-256 of their ids. Of documents with equal texts, only the
    first that was read is kept.

    The order needs no generator and is the same on every machine. It takes 16 bytes of memory a
    document (a little more while equal texts are found), and space for all documents in `folder`
    until `close`.
    """

    def __init__(self, reading: Reading, folder: Path, identity: str = "") -> None:
        """Read all documents into `folder`.

        If it is a leftover of an interrupted reading of the same `identity`, go on with it. An
        empty identity is that of no other reading.
        """
        self.folder = folder
        self._kept = self._deal(reading, Journal(folder, identity))
        self.count = int(np.count_nonzero(self._kept))
        """Number of documents that are kept."""
        self.duplicates = len(self._kept) - self.count
        """Number of documents with the text of an earlier document."""

    def __iter__(self) -> Iterator[Document]:
        for bucket in range(BUCKETS):
            with open(self._file(bucket), "rb") as file:
                for _, _, offset, length in sorted(self._places(file)):
                    file.seek(offset)
                    yield Document(*json.loads(file.read(length)))

    def _deal(self, reading: Reading, journal: Journal) -> NDArray[np.bool_]:
        """Write every document to its bucket. Return which are the first with their text, (n,)."""
        texts = array("Q", journal.texts)
        names = [self._file(bucket) for bucket in range(BUCKETS)]
        with ExitStack() as stack:
            files = [stack.enter_context(open(name, "ab")) for name in names]
            bar = tqdm(
                reading.after(journal.states),
                desc="Reading",
                initial=journal.documents,
                unit=" documents",
                unit_scale=True,
                delay=2,
                disable=None,
            )
            for number, document in enumerate(bar, journal.documents):
                key = hashlib.sha256(document.id.encode()).digest()
                row = json.dumps([document.id, document.text]).encode()
                file = files[key[0] * BUCKETS // 256]
                file.write(HEADER.pack(key, number, len(row)) + row)
                texts.frombytes(hashlib.sha256(document.text.encode()).digest()[:16])
                if (number + 1) % SAVED_EVERY == 0:
                    journal.save(files, texts, reading.states())
        return _first(np.frombuffer(texts, dtype=np.uint64).reshape(-1, 2))

    def _places(self, file: BinaryIO) -> Iterator[tuple[bytes, int, int, int]]:
        """Yield key, number, offset and length of each document of a bucket that is kept."""
        while header := file.read(HEADER.size):
            key, number, length = HEADER.unpack(header)
            if self._kept[number]:
                yield key, number, file.tell(), length
            file.seek(length, 1)

    def _file(self, bucket: int) -> Path:
        return self.folder / f"{bucket:02}"


def _first(digests: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each row of (n, 2) is the first of the rows that are equal to it, (n,)."""
    first = np.ones(len(digests), dtype=np.bool_)
    order = np.lexsort(digests.T)  # The sort is stable, so the first of equal rows stays first.
    one, other = order[:-1], order[1:]
    first[other[(digests[one] == digests[other]).all(axis=1)]] = False
    return first
