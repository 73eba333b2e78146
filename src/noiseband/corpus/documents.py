"""Documents, the unit of a corpus: named texts that are never split or joined before tokenising."""

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
    """A text with an id that is unique in its corpus, such as `asv/Genesis/1`."""

    id: str
    text: str
    repaired: bool = False
    """Whether U+FFFD in the text replaces something that was not valid UTF-8."""


def digest(documents: Iterable[Document]) -> str:
    """Return the SHA-256 (hex) of documents in order: id, NUL, text, NUL of each, in UTF-8."""
    sha = hashlib.sha256()
    for document in documents:
        sha.update(f"{document.id}\0{document.text}\0".encode())
    return sha.hexdigest()


def read_documents(path: Path) -> Iterator[Document]:
    """Yield the documents of a split file, which has `{"id", "text"}` on each line.

    Raises UserError if the file is damaged or a line is not a document.
    """
    with open(intact(path), "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield parse_document(line)
            except ValueError as error:
                raise bad_line(path, number, error) from None


def parse_document(line: bytes) -> Document:
    """Return the document of a line of JSON with strings `id` and `text`. Other keys are ignored.

    Text that is not valid UTF-8 is repaired as in `valid_text`. Raises ValueError with the reason
    if the line is not a document.
    """
    text, broken = valid_text(line)
    try:
        row = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, character {error.pos + 1})") from None
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    if not (isinstance(row, dict) and all(isinstance(row.get(k), str) for k in ("id", "text"))):
        raise ValueError('not {"id": "...", "text": "..."}')
    text, torn = valid_text(row["text"])
    return Document(row["id"], text, repaired=broken or torn)


def valid_text(text: bytes | str) -> tuple[str, bool]:
    """Return text that UTF-8 can encode, and whether it had to be repaired.

    U+FFFD replaces each maximal subpart of a malformed sequence, as Unicode recommends and
    `bytes.decode` does, and each unpaired surrogate, as tiktoken does.
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
    """Return the error for line `number` of a split file, counted from 1."""
    return UserError(f"{path}: line {number}: {why}; correct it or build the corpus again")
