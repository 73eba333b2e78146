"""The unit of a corpus: a named text, never cut or joined until it becomes tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Document:
    """A text with a name that is unique in its corpus, such as `asv/Genesis/1`."""

    id: str
    text: str


def digest(documents: Iterable[Document]) -> str:
    """SHA-256 (hex) of documents in the order given: each id, NUL, text, NUL, in UTF-8."""
    sha = hashlib.sha256()
    for document in documents:
        sha.update(f"{document.id}\0{document.text}\0".encode())
    return sha.hexdigest()


def read_documents(path: Path) -> Iterator[Document]:
    """Documents of a split file (`{"id", "text"}` a line), one at a time."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield Document(row["id"], row["text"])
