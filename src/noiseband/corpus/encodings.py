"""Bytes of files that people made: decompressed, and decoded by one rule for all formats.

A byte order mark at the beginning of a file says that it is UTF-8, UTF-16 or UTF-32, and is not a
part of the text. A file without a mark is UTF-8. A file that has no mark but looks like UTF-16 or
UTF-32 is refused, because as UTF-8 every second character of it would be NUL.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from noiseband.errors import UserError

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the start of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks, and the encoding that each stands for."""

MARK = "\ufeff"
"""A byte order mark as a character."""

LOOKED_AT = 4096
"""Number of bytes at the beginning of a file whose encoding is guessed."""

SAMPLED = 1024
"""Number of characters of a text that are looked at, few because every document of a corpus is."""

WRONG_SHARE = 1 / 3
"""A text with a larger share of control and replacement characters is not text in UTF-8."""

_WRONG = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\ufffd]")
"""Control characters except white space, and the replacement character."""

BUFFER = 1 << 18
"""Bytes of a file that are read at once."""

_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))
"""The first bytes of compressed data."""

_WRONG_COMPRESSION = (gzip.BadGzipFile, zlib.error, EOFError, pa.ArrowException, OSError)


@contextmanager
def decompressed(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading; one whose name ends in .gz or .zst is decompressed.

    Raises UserError if the compressed data are damaged or incomplete, also while they are read.
    """
    kind = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
    with open(path, "rb") as source, _decompressing(source, kind, path) as inner:
        yield inner


def decompressed_bytes(content: bytes, path: Path) -> bytes:
    """Return content that is decompressed if it begins as gzip or zstd do.

    Raises UserError, beginning with `path`, if the compressed data are damaged or incomplete.
    """
    kind = next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
    with _decompressing(io.BytesIO(content), kind, path) as inner:
        return inner.read()


@contextmanager
def _decompressing(source: IO[bytes], kind: str | None, path: Path) -> Iterator[IO[bytes]]:
    try:
        if kind == "gzip":
            yield cast(IO[bytes], gzip.GzipFile(fileobj=source, mode="rb"))
        elif kind == "zstd":
            stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
            yield cast(IO[bytes], io.BufferedReader(stream))
        else:
            yield source
    except _WRONG_COMPRESSION as error:
        if kind is None or getattr(error, "errno", None) is not None:
            raise  # The file could not be opened or read, which says nothing about its content.
        raise UserError(
            f"{path}: not a complete {kind} file ({one_line(error)}); get it again"
        ) from None


def lines(path: Path) -> Iterator[tuple[int, bytes | str]]:
    """Yield the lines of a file that are not blank, without byte order mark, with their numbers.

    Lines of a file in UTF-16 or UTF-32 are text, and those of UTF-8 bytes. Lines end in a line
    feed only, not at characters such as U+2028.

    Raises UserError if the file's compressed data or encoding is wrong.
    """
    with decompressed(path) as file:
        head = file.read(LOOKED_AT)
        encoding, mark = encoding_of(head, path)
        rest = _Chained(head[mark:], file)
        if encoding == "utf-8":
            for number, line in enumerate(io.BufferedReader(rest, BUFFER), start=1):
                line = line.removeprefix(codecs.BOM_UTF8)  # of a file that was appended
                if not line.isspace() and line:
                    yield number, line
            return
        wide = io.TextIOWrapper(
            io.BufferedReader(rest), encoding=encoding, errors="surrogatepass", newline="\n"
        )
        try:
            for number, text in enumerate(wide, start=1):
                if text.strip():
                    yield number, text.removeprefix(MARK)
        except UnicodeDecodeError as error:
            raise _incomplete(path, error) from None


def whole(path: Path) -> bytes | str:
    """Return the content of a file without its byte order mark: text if it is UTF-16 or UTF-32.

    Raises UserError if the file's compressed data or encoding is wrong.
    """
    with decompressed(path) as file:
        return marked(file.read(), path)


def marked(content: bytes, path: Path) -> bytes | str:
    """Return content without its byte order mark: text if it is UTF-16 or UTF-32. See `whole`."""
    encoding, mark = encoding_of(content[:LOOKED_AT], path)
    if encoding == "utf-8":
        return content[mark:]
    try:
        return content[mark:].decode(encoding, "surrogatepass")
    except UnicodeDecodeError as error:
        raise _incomplete(path, error) from None


def encoding_of(head: bytes, path: Path) -> tuple[str, int]:
    """Return the encoding of a file that begins with `head`, and the length of its mark in bytes.

    Raises UserError if there is no mark and the file looks like UTF-16 or UTF-32.
    """
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    # Half of the characters of most languages' UTF-16, and three quarters of UTF-32, have a NUL.
    if head.count(0) > len(head) / 4:
        raise UserError(
            f"{path}: looks like UTF-16 or UTF-32 without a byte order mark, or is not text; save "
            "it as UTF-8"
        )
    return "utf-8", 0


def is_garbled(text: str) -> bool:
    """Whether the beginning of a text is mostly control and replacement characters, as if it were
    in another encoding."""
    wrong = len(_WRONG.findall(text, 0, SAMPLED))
    return wrong > WRONG_SHARE * min(len(text), SAMPLED)


def one_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _incomplete(path: Path, error: UnicodeDecodeError) -> UserError:
    return UserError(f"{path}: not complete {error.encoding} ({error.reason}); get it again")


class _Chained(io.RawIOBase):
    """Some bytes, and then the rest of a file."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self.head, self.file = head, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self.head[: len(buffer)] or self.file.read(len(buffer))
        self.head = self.head[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)
