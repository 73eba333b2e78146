"""Documents in rows that others wrote: of files, or of a data set that `datasets` streams."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from noiseband.corpus.dataset_files import checked, dataset_files, where
from noiseband.corpus.documents import Document, valid_text
from noiseband.corpus.encodings import is_garbled
from noiseband.corpus.row_faults import short
from noiseband.corpus.streams import DatasetStream
from noiseband.corpus.texts import count_texts, read_texts
from noiseband.errors import UserError
from noiseband.io.folders import files_in
from noiseband.study.corpora import FileSource
from noiseband.study.dataset_source import DatasetSource

GARBLED_SHARE = 0.1
"""If more of a source's documents than this share are not text, the corpus is not built."""
NOT_TEXT = "mostly control characters, or bytes that are not UTF-8"
"""What is wrong with such a document, in words for the user."""


@dataclass
class Tally:
    """Counts of documents, characters and bytes, made while documents are read."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0

    def count(self, documents: Iterator[Document]) -> Iterator[Document]:
        """Yield the same documents, and count them."""
        for document in documents:
            self.documents += 1
            self.characters += len(document.text)
            self.bytes += len(document.text.encode())
            yield document


class RowDocuments(ABC):
    """Documents in rows that others wrote, some of which may be no text.

    If a corpus has several such sources, a document's id begins with the number of the source.
    """

    def __init__(self, place: str, prefix: str) -> None:
        self.place, self.prefix = place, prefix
        self._begin()

    def _begin(self) -> None:
        self.tally, self.repaired, self.sha = Tally(), 0, hashlib.sha256()
        self.garbled: list[str] = []
        """Ids of documents that are mostly control characters."""

    @abstractmethod
    def _texts(self) -> Iterator[tuple[str, tuple[str, bool]]]:
        """The id of each document, without the prefix, and its text, with whether it was
        repaired."""

    def __iter__(self) -> Iterator[Document]:
        return self.after(None)

    def after(self, state: dict[str, Any] | None) -> Iterator[Document]:
        """Yield documents as `Read.after` does.

        Raises UserError after the last one if a large share of all is not text.
        """
        # Files are read again: that is quick compared with all else that happens to a document.
        self._begin()
        return islice(self._rest(), 0 if state is None else state["read"], None)

    def state(self) -> dict[str, Any]:
        return {"read": self.tally.documents}

    def _rest(self) -> Iterator[Document]:
        for document in self.tally.count(self._documents()):
            self._hash(f"{document.id}\0{document.text}\0".encode())
            yield document
        if len(self.garbled) > GARBLED_SHARE * self.tally.documents:
            raise UserError(
                f"{len(self.garbled):,} {self._documents_read()} are {NOT_TEXT}, such as "
                f"{self.garbled[0]}; save the files as UTF-8, or correct `column`"
            )

    def _hash(self, document: bytes) -> None:
        self.sha.update(document)

    @property
    def digest(self) -> str:
        """SHA-256 of the documents that were read."""
        return self.sha.hexdigest()

    def notes(self) -> list[str]:
        """Sentences for the user about documents whose text was repaired or is no text."""
        documents, found = self._documents_read(), []
        if self.repaired:
            found.append(
                f"{self.repaired:,} {documents} have bytes that are not UTF-8, which became U+FFFD"
            )
        if self.garbled:
            found.append(
                f"{len(self.garbled):,} {documents} are {NOT_TEXT}, such as {self.garbled[0]}"
            )
        return found

    def _documents_read(self) -> str:
        return f"of {self.tally.documents:,} documents of {self.place}"

    def _documents(self) -> Iterator[Document]:
        for name, (text, repaired) in self._texts():
            # Repaired and counted, since one such document in millions must not stop a study.
            self.repaired += repaired
            document = Document(f"{self.prefix}{name}", text)
            if is_garbled(text):
                self.garbled.append(document.id)
            yield document

    def _counts(self) -> dict[str, Any]:
        """The part of the card that says what was read."""
        return {
            "documents": self.tally.documents,
            "characters": self.tally.characters,
            "not_utf8": self.repaired,
            "sha256": self.digest,
        }


class FileDocuments(RowDocuments):
    """Documents of a data set's files, read from the disk each time.

    A document's id consists of its file's name and its row, counted from 0, so the same files give
    the same documents from the Hub and from any folder.
    """

    def __init__(self, source: FileSource, prefix: str) -> None:
        super().__init__(where(source), prefix)
        self.source = source
        self.files = dataset_files(source, source.files)
        self.sha256 = checked(source, self.files)

    def __len__(self) -> int:
        return sum(count_texts(path) for path in self.files.values())

    def _texts(self) -> Iterator[tuple[str, tuple[str, bool]]]:
        for name, path in self.files.items():
            for row, one in enumerate(read_texts(path, self.source.column)):
                yield f"{name}/{row}", one

    @property
    def content(self) -> Any:
        return self.sha256

    def card(self) -> dict[str, Any]:
        # The folder is left out, since its place on a disk says nothing about its content.
        return {
            "repo": self.source.repo,
            "revision": self.source.revision,
            "column": self.source.column,
            "files": self.sha256,
            **self._counts(),
        }


class StreamedDocuments(RowDocuments):
    """Documents that the library `datasets` streams. An id is the split and the row, counted from
    0.

    Their digest is a chain, SHA-256(digest before + SHA-256(document)), which can be continued.
    """

    def __init__(self, source: DatasetSource, prefix: str) -> None:
        super().__init__(source.origin, prefix)
        self.source, self.rows = source, DatasetStream(source)

    def __len__(self) -> int:
        return len(self.rows)

    def _begin(self) -> None:
        super()._begin()
        self.chain = b""

    def after(self, state: dict[str, Any] | None) -> Iterator[Document]:
        self._begin()
        if state is not None:
            self.rows.resume(state["rows"])
            self.tally = Tally(**state["tally"])
            self.repaired, self.garbled = state["repaired"], state["garbled"]
            self.chain = bytes.fromhex(state["chain"])
        return self._rest()

    def state(self) -> dict[str, Any]:
        return {
            "rows": self.rows.state(),
            "tally": vars(self.tally),
            "repaired": self.repaired,
            "garbled": self.garbled,
            "chain": self.chain.hex(),
        }

    def _hash(self, document: bytes) -> None:
        self.chain = hashlib.sha256(self.chain + hashlib.sha256(document).digest()).digest()

    @property
    def digest(self) -> str:
        return self.chain.hex()

    @property
    def content(self) -> Any:
        if self.source.unpinned:
            return None
        if self.source.folder is None:
            return self.source.revision
        folder = Path(self.source.folder)
        status = [(name, (folder / name).stat()) for name in files_in(folder)]
        return [[name, one.st_size, one.st_mtime_ns] for name, one in status]

    def _texts(self) -> Iterator[tuple[str, tuple[str, bool]]]:
        column = self.source.column
        for row in self.rows:
            number = self.rows.read
            place = f"{self.source.origin}: row {number}"
            if column not in row:
                raise UserError(f"{place}: no column {column}; it has {', '.join(row)}")
            if not isinstance(row[column], str):
                raise UserError(f"{place}: {column} is {short(row[column])}, not text; correct it")
            yield f"{self.source.split}/{number - 1}", valid_text(row[column])

    def card(self) -> dict[str, Any]:
        return {
            "dataset": None if self.source.folder else self.source.dataset,
            "config": self.source.config,
            "split": self.source.split,
            "revision": self.source.revision,
            "column": self.source.column,
            **self._counts(),
        }
