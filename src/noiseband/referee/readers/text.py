"""Text of a file, in whatever encoding and compression its byte order mark and its bytes say."""

from __future__ import annotations

from pathlib import Path

from noiseband.corpus.encodings import decompressed_bytes, is_garbled, marked
from noiseband.errors import UserError


def decoded(content: bytes, file: str, exact: bool = True) -> str:
    """The text of a file's bytes, which may be compressed with gzip or zstd.

    Args:
        exact: whether bytes that are not UTF-8 are an error; otherwise they become U+FFFD.

    Raises UserError if the bytes are not text.
    """
    path = Path(file)
    text = marked(decompressed_bytes(content, path), path)
    if isinstance(text, bytes):
        try:
            text = text.decode(errors="strict" if exact else "replace")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise UserError(f"{file}, line {line}: not UTF-8; save the file as UTF-8") from None
    if exact and is_garbled(text):
        raise UserError(f"{file}: of no known kind; {KINDS}")
    return text


KINDS = (
    "give a table (CSV, JSON lines, Parquet), the records of a tracker or trainer, or a folder of "
    "them; for a log of any other form, say with --pattern what to look for"
)
"""What to do about a file that no reader knows."""
