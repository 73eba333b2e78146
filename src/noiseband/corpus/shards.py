"""Split files in shards: encoded by several threads, each into a file that a later start finds.

A shard is the lines that begin within `SHARD` bytes of a split file, so shards depend on neither
workers nor machine. Its file is named by all that decides its content, and is used again by that
name alone: leftovers of another text, vocabulary or program are never looked at.

Threads do, for tiktoken works without Python's lock; and where a process a worker would each hold
a vocabulary and an interpreter, threads share them.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import tiktoken
from tqdm import tqdm

from noiseband.corpus.documents import bad_line, parse_document
from noiseband.corpus.encode import encode
from noiseband.dag.code import code_digest
from noiseband.errors import UserError
from noiseband.io.checksums import is_intact
from noiseband.io.files import atomic

SHARD = 2**22
"""Bytes of a split file in a shard; its last line may go on beyond."""

CHUNK = 2**18
"""Bytes read at once where lines do not matter."""

LINES_MEMORY = 512 * 2**20
"""Bytes of memory for the lines that are encoded at one time; a longer line is alone."""

COPIES = 10
"""Bytes of memory for a line's byte at most: itself, and its text twice, 4 bytes a character."""

HEAD = 128
"""Length in bytes of a shard file's first line: its `Size` as JSON. The tokens follow."""


@dataclass
class Size:
    """What a shard holds, or a split."""

    documents: int = 0
    bytes: int = 0
    """Of the documents' texts in UTF-8."""
    tokens: int = 0
    not_utf8: int = 0
    """Documents in which U+FFFD stands for something that was not valid UTF-8."""

    def __add__(self, other: Size) -> Size:
        return Size(**{name: value + vars(other)[name] for name, value in vars(self).items()})


@dataclass
class Shard:
    """An encoded shard in its file."""

    path: Path
    size: Size
    found: bool
    """Whether an earlier start left it."""


class Shards:
    """Encodes split files into a work folder.

    Args:
        encoding: the vocabulary.
        identity: whatever beside the text decides the tokens.
        allow_special: whether "<|endoftext|>" in a text is end-of-text.
        folder: where shard files go.
    """

    def __init__(
        self, encoding: tiktoken.Encoding, identity: str, allow_special: bool, folder: Path
    ) -> None:
        self.encoding, self.allow_special, self.folder = encoding, allow_special, folder
        self.base = hashlib.sha256(
            f"{identity}\0{allow_special}\0{metadata.version('tiktoken')}\0"
            f"{code_digest('corpus.shards')}\0".encode()
        )
        self.memory = Budget(LINES_MEMORY)
        self.stop = threading.Event()

    def encode(self, splits: list[Path], workers: int) -> list[list[Shard]]:
        """Encode all shards of the split files; those of each file in order.

        Raises UserError for a line that is no document, and OSError as it comes.
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
            said = f"{found} of {len(parts)} shards were there from an earlier start"
            print(said, file=sys.stderr)
        return [[shard for part, shard in sorted(done.items()) if part[0] == s] for s in splits]

    def _shard(self, split: Path, offset: int) -> Shard:
        """The shard of the lines that begin from `offset` on."""
        with open(split, "rb") as file:
            begin, end = _line_start(file, offset), _line_start(file, offset + SHARD)
            key, longest = self._survey(file, begin, end)
            path = self.folder / f"{split.stem}-{offset // SHARD:06d}-{key}.tokens"
            size = read_size(path)
            if size:
                return Shard(path, size, found=True)
            with self.memory.of(COPIES * longest), atomic(path) as temporary:
                file.seek(begin)
                size = self._write(file, end, split, temporary)
        return Shard(path, size, found=False)

    def _survey(self, file: BinaryIO, begin: int, end: int) -> tuple[str, int]:
        """Key of a shard's content, and a bound on the length of its longest line in bytes."""
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
        """Encode the lines from where `file` stands up to `end`."""
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

        with open(out, "wb") as tokens:
            tokens.write(bytes(HEAD))
            for ids in encode(self.encoding, texts(), self.allow_special):
                if self.stop.is_set():
                    raise Stopped
                tokens.write(ids.data)
                size.tokens += len(ids)
            tokens.seek(0)
            tokens.write(json.dumps(asdict(size)).encode().ljust(HEAD - 1) + b"\n")
        return size


class Stopped(Exception):
    """Another shard failed, or the user wants to stop."""


class Budget:
    """Memory shared by threads: who wants more than is left waits; who wants too much is alone."""

    def __init__(self, total: int) -> None:
        self.total, self.used = total, 0
        self.changed = threading.Condition()

    @contextmanager
    def of(self, wanted: int) -> Iterator[None]:
        """Hold `wanted` bytes."""
        with self.changed:
            self.changed.wait_for(lambda: not self.used or self.used + wanted <= self.total)
            self.used += wanted
        try:
            yield
        finally:
            with self.changed:
                self.used -= wanted
                self.changed.notify_all()


def read_size(path: Path) -> Size | None:
    """What a shard file says that it holds; None where there is none, or it does not hold that, or
    is damaged."""
    try:
        with open(path, "rb") as file:
            size = Size(**json.loads(file.read(HEAD)))
        whole = path.stat().st_size == HEAD + 2 * size.tokens
    except (OSError, ValueError, TypeError):
        return None
    return size if whole and is_intact(path) else None


@contextmanager
def work_folder(folder: Path) -> Iterator[None]:
    """Hold the folder of shards, which goes with everything in it when all went well.

    Raises UserError where another process holds it, and where the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"{folder}: another process is tokenising; wait for it or end it"
                ) from None
            for leftover in folder.glob(".*.tmp"):
                leftover.unlink()  # half a file, of a process that was killed while it wrote
            yield
            shutil.rmtree(folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(
            f"{error.filename or folder}: {error.strerror}; free some space and start again: "
            "tokenising goes on from the shards that are there"
        ) from error


def _line_start(file: BinaryIO, offset: int) -> int:
    """Where the first line starts that begins at or after `offset`; the file's end if none does."""
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
    """Number, from 1, of the line that starts at `offset`."""
    number = 1
    with open(path, "rb") as file:
        for at in range(0, offset, CHUNK):
            number += file.read(min(CHUNK, offset - at)).count(b"\n")
    return number


def cores() -> int:
    """Cores that this process may use."""
    # macOS cannot say which.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
