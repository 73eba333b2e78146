"""Encoding of split files in shards, by several threads. A later start reuses finished shards.

A shard consists of the lines that begin within `SHARD` bytes of a split file, so shards depend
neither on the number of workers nor on the machine. The file name of a shard contains a digest of
everything that decides its content, so a leftover of another text, vocabulary or program is never
used.

Threads are enough, because tiktoken releases Python's lock, and they share the vocabulary and the
interpreter. Each process would need its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from noiseband.corpus.documents import bad_line, parse_document
from noiseband.corpus.encode import encode
from noiseband.corpus.own_tokenizers import Change, OwnEncoding
from noiseband.corpus.token_file import token_type
from noiseband.corpus.vocabulary import Encoding
from noiseband.dag.code import code_digest
from noiseband.io.checksums import is_intact
from noiseband.io.files import atomic

SHARD = 2**22
"""Bytes of a split file in a shard. The shard's last line may end after them."""

CHUNK = 2**18
"""Bytes read at once when lines do not matter."""

LINES_MEMORY = 512 * 2**20
"""Bytes of memory for the lines that are encoded at the same time. A line that needs more is
encoded alone."""

COPIES = 10
"""Largest number of bytes in memory for each byte of a line: the byte itself, and its text twice
with 4 bytes a character."""

HEAD = 192
"""Length in bytes of a shard file's first line, its `Size` as JSON. The tokens follow it."""


@dataclass
class Size:
    """The size of a shard or a split."""

    documents: int = 0
    bytes: int = 0
    """Number of bytes of the documents' texts in UTF-8."""
    tokens: int = 0
    not_utf8: int = 0
    """Number of documents in which U+FFFD replaces something that was not valid UTF-8."""
    changed: int = 0
    """Number of documents that a tokenizer of one's own only writes in another way: in small
    letters, with one blank for several."""
    unknown: int = 0
    """Number of those that have text which the tokenizer does not know, and so loses."""

    def __add__(self, other: Size) -> Size:
        return Size(**{name: value + vars(other)[name] for name, value in vars(self).items()})


@dataclass
class Shard:
    """An encoded shard and its file."""

    path: Path
    size: Size
    found: bool
    """Whether the file is from an earlier start."""


class Shards:
    """Encodes split files into a work folder.

    Args:
        encoding: the vocabulary.
        identity: text that identifies the vocabulary.
        allow_special: whether "<|endoftext|>" in a text is end-of-text.
        folder: folder for the shard files.
    """

    def __init__(
        self, encoding: Encoding, identity: str, allow_special: bool, folder: Path
    ) -> None:
        self.encoding, self.allow_special, self.folder = encoding, allow_special, folder
        self.base = hashlib.sha256(
            f"{identity}\0{allow_special}\0{library_version(encoding)}\0"
            f"{code_digest('corpus.shards')}\0".encode()
        )
        self.width = token_type(encoding.n_vocab).itemsize
        self.memory = Budget(LINES_MEMORY)
        self.stop = threading.Event()

    def encode(self, splits: list[Path], workers: int) -> list[list[Shard]]:
        """Encode all shards of the split files, and return those of each file in order.

        Raises UserError if a line is not a document, and OSError.
        """
        parts = [
            (split, begin) for split in splits for begin in range(0, split.stat().st_size, SHARD)
        ]
        done: dict[tuple[Path, int], Shard] = {}
        total = sum(split.stat().st_size for split in splits)
        bar = tqdm(total=total, unit="B", unit_scale=True, desc="tokens", disable=None, delay=2)
        with bar, ThreadPoolExecutor(workers, "tokenize") as pool:
            futures = {pool.submit(self._shard, *part): part for part in parts}
            try:
                for future in as_completed(futures):
                    split, begin = part = futures[future]
                    done[part] = future.result()
                    bar.update(min(SHARD, split.stat().st_size - begin))
            except BaseException:
                self.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        found = sum(shard.found for shard in done.values())
        if found:
            said = f"{found} of {len(parts)} shards are reused from an earlier start"
            print(said, file=sys.stderr)
        return [[shard for part, shard in sorted(done.items()) if part[0] == s] for s in splits]

    def _shard(self, split: Path, offset: int) -> Shard:
        """Encode the shard of the lines that begin at or after `offset`, or find its file."""
        with open(split, "rb") as file:
            begin, end = _line_start(file, offset), _line_start(file, offset + SHARD)
            key, longest = self._survey(file, begin, end)
            path = self.folder / f"{split.stem}-{offset // SHARD:06d}-{key}.tokens"
            size = read_size(path, self.width)
            if size:
                return Shard(path, size, found=True)
            with self.memory.of(COPIES * longest), atomic(path) as temporary:
                file.seek(begin)
                size = self._write(file, end, split, temporary)
        return Shard(path, size, found=False)

    def _survey(self, file: BinaryIO, begin: int, end: int) -> tuple[str, int]:
        """Return a shard's key, and an upper bound on the length of its longest line in bytes."""
        sha = self.base.copy()
        longest = run = CHUNK
        file.seek(begin)
        for at in range(begin, end, CHUNK):
            chunk = file.read(min(CHUNK, end - at))
            sha.update(chunk)
            run = CHUNK if b"\n" in chunk else run + CHUNK
            longest = max(longest, run + CHUNK)
        return sha.hexdigest()[:32], min(longest, end - begin)

    def _write(self, file: BinaryIO, end: int, split: Path, out: Path) -> Size:
        """Encode the lines from the current position of `file` up to `end`."""
        size = Size()

        def texts() -> Iterator[str]:
            at = file.tell()
            while at < end:
                line = file.readline()
                try:
                    document = parse_document(line)
                except ValueError as error:
                    raise bad_line(split, _line_number(split, at), error) from None
                at += len(line)
                size.documents += 1
                size.bytes += len(document.text.encode())
                size.not_utf8 += document.repaired
                del line
                yield document.text

        def tell(change: Change) -> None:
            size.changed += change == "changed"
            size.unknown += change == "unknown"

        with open(out, "wb") as tokens:
            tokens.write(bytes(HEAD))
            for ids in encode(self.encoding, texts(), self.allow_special, tell):
                if self.stop.is_set():
                    raise Stopped
                tokens.write(ids.data)
                size.tokens += len(ids)
            tokens.seek(0)
            tokens.write(json.dumps(asdict(size)).encode().ljust(HEAD - 1) + b"\n")
        return size


def library_version(encoding: Encoding) -> str:
    """The version of the library that encodes, on which ids may depend."""
    if isinstance(encoding, OwnEncoding):
        return encoding.version
    return metadata.version("tiktoken")


class Stopped(Exception):
    """Another shard failed, or the user interrupted the program."""


class Budget:
    """Memory shared by threads. A thread that needs more than is left waits, and a thread that
    needs more than the total waits until it is alone."""

    def __init__(self, total: int) -> None:
        self.total, self.used = total, 0
        self.changed = threading.Condition()

    @contextmanager
    def of(self, wanted: int) -> Iterator[None]:
        """Reserve `wanted` bytes for the duration of a block."""
        with self.changed:
            self.changed.wait_for(lambda: not self.used or self.used + wanted <= self.total)
            self.used += wanted
        try:
            yield
        finally:
            with self.changed:
                self.used -= wanted
                self.changed.notify_all()


def read_size(path: Path, width: int = 2) -> Size | None:
    """Return the size in the head of a shard file, or None if the file does not exist, has another
    size or is damaged. `width` is the number of bytes of an id."""
    try:
        with open(path, "rb") as file:
            size = Size(**json.loads(file.read(HEAD)))
        whole = path.stat().st_size == HEAD + width * size.tokens
    except (OSError, ValueError, TypeError):
        return None
    return size if whole and is_intact(path) else None


def _line_start(file: BinaryIO, offset: int) -> int:
    """Return the start of the first line at or after `offset`, or else the file's end."""
    if offset == 0:
        return 0
    at = offset - 1
    file.seek(at)
    while chunk := file.read(CHUNK):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return at + newline + 1
        at += len(chunk)
    return file.seek(0, os.SEEK_END)


def _line_number(path: Path, offset: int) -> int:
    """Return the number, counted from 1, of the line that starts at `offset`."""
    number = 1
    with open(path, "rb") as file:
        for at in range(0, offset, CHUNK):
            number += file.read(min(CHUNK, offset - at)).count(b"\n")
    return number


def cores() -> int:
    """Return the number of cores that this process may use."""
    # macOS does not report this, so all cores are counted there.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
