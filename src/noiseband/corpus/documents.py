"""The unit of a corpus: a named text, never cut or joined until it becomes tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from noiseband.errors import UserError
from noiseband.io.checksums import intact

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Document:
    """A text with a name that is unique in its corpus, such as `asv/Genesis/1`."""

    id: str
    text: str
    repaired: bool = False
    """Whether U+FFFD stands in the text for something that was not valid UTF-8."""


def digest(documents: Iterable[Document]) -> str:
    """SHA-256 (hex) of documents in the order given: each id, NUL, text, NUL, in UTF-8."""
    sha = hashlib.sha256()
    for document in documents:
        sha.update(f"{document.id}\0{document.text}\0".encode())
    return sha.hexdigest()


def read_documents(path: Path) -> Iterator[Document]:
    """Documents of a split file (`{"id", "text"}` a line), one at a time.

    Raises UserError for a damaged file, and for a line that is no document.
    """
    with open(intact(path), "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield parse_document(line)
            except ValueError as error:
                raise bad_line(path, number, error) from None


def parse_document(line: bytes) -> Document:
    """The document of a line: JSON with strings `id` and `text`; other keys are left alone.

    The one rule for text that is not valid UTF-8: see `valid_text`. Raises ValueError, saying why,
    for a line that is no document.
    """
    text, broken = valid_text(line)
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, character {error.pos + 1})") from None
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
    if not (isinstance(row, dict) and all(isinstance(row.get(k), str) for k in ("id", "text"))):
        raise ValueError('not {"id": "...", "text": "..."}')
    text, torn = valid_text(row["text"])
    return Document(row["id"], text, repaired=broken or torn)


def valid_text(text: bytes | str) -> tuple[str, bool]:
    """Text that UTF-8 can write, and whether it had to be repaired.

    U+FFFD stands for each longest part of a malformed sequence, as Unicode recommends and
    `bytes.decode` has it, and for each half of a surrogate pair, as tiktoken has it.
    """
    try:
        if isinstance(text, bytes):
            return text.decode(), False
        text.encode()
    except UnicodeDecodeError as error:
        return error.object.decode(errors="replace"), True
    except UnicodeEncodeError as error:
        return error.object.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), True
    return text, False


def bad_line(path: Path, number: int, why: ValueError) -> UserError:
    """The error for line `number` of a split file, counted from 1."""
    return UserError(f"{path}: line {number}: {why}; mend it or build the corpus again")
