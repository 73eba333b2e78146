"""Read the values of a file of instruction rows: a JSON list, JSON lines or Parquet.

The kind of file is found from its content, not its name, so an address may end in anything. The
file may be compressed by gzip or zstd.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.corpus.encodings import MARK, decompressed_bytes, marked, one_line
from noiseband.errors import UserError

PARQUET = b"PAR1"
"""The first bytes of a Parquet file."""


Value = tuple[int, Any, str | None]
"""A row's number from 1, its value, and the reason if it is not JSON (else None)."""


def read_values(file: Path, key: str, sha256: str | None) -> Iterator[Value]:
    """Yield the values of a file. In JSON lines, the number is the line's. A null in a Parquet file
    is a key that is missing.

    Raises UserError, beginning with the config's `key`, if the file cannot be read, is damaged, has
    another SHA-256, or is neither Parquet nor text in UTF-8 or with a byte order mark.
    """
    content = _checked(file, key, sha256)
    try:
        content = decompressed_bytes(content, file)
        text = b"" if content.startswith(PARQUET) else marked(content, file)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None
    if content.startswith(PARQUET):
        return _parquet_values(content, file, key)
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{key}: {file}: byte {error.start} is not UTF-8; save the file as UTF-8, or as "
                "Parquet"
            ) from error
    return _json_values(text, file, key)


def _checked(file: Path, key: str, sha256: str | None) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{key}: cannot read {file} ({error.strerror}); correct it") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise UserError(
            f"{key}: {file} has SHA-256 {found}, but sha256 is {sha256}; get the right file, or "
            "correct sha256"
        )
    return content


def _parquet_values(content: bytes, file: Path, key: str) -> Iterator[Value]:
    try:
        rows = pq.read_table(io.BytesIO(content), use_threads=False).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{key}: {file}: not a readable Parquet file ({one_line(error)}); get it again"
        ) from None
    for number, row in enumerate(rows, start=1):
        yield number, without_nulls(row), None


def without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table without its nulls, which stand for keys that are missing."""
    return {name: value for name, value in row.items() if value is not None}


def _json_values(text: str, file: Path, key: str) -> Iterator[Value]:
    if text.lstrip().startswith("["):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise UserError(f"{key}: {file}: not JSON ({error}); correct it") from error
        except RecursionError:
            raise UserError(f"{key}: {file}: JSON nested too deeply; correct it") from None
        yield from ((number, value, None) for number, value in enumerate(values, start=1))
        return
    # splitlines() would also split at characters such as U+2028, which text may contain.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip(MARK).strip():
            try:
                yield number, json.loads(line.removeprefix(MARK)), None
            except ValueError as error:
                yield number, None, f"not JSON ({error})"
            except RecursionError:
                yield number, None, "JSON nested too deeply"
