"""The sources of a corpus: their documents, the number of these, and their part of the card."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from noiseband.corpus.dataset_files import checked, dataset_files, where
from noiseband.corpus.documents import Document, digest, valid_text
from noiseband.corpus.encodings import is_garbled
from noiseband.corpus.packages import package_files
from noiseband.corpus.readers import find_reader
from noiseband.corpus.row_faults import short
from noiseband.corpus.streams import DatasetStream
from noiseband.corpus.texts import count_texts, read_texts
from noiseband.errors import UserError
from noiseband.io.folders import files_in
from noiseband.study.corpora import AnySource, FileSource, Source
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


class Read(Protocol):
    """A source whose documents can be read, in its own order."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Document]: ...

    def after(self, state: dict[str, Any] | None) -> Iterator[Document]:
        """Yield the documents after those of an interrupted reading, whose `state` it is; all if it
        is None."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what `after` needs after the document that was yielded last, as plain JSON."""
        ...

    @property
    def content(self) -> Any:
        """Plain JSON that changes if the documents do; None if they may change unseen."""
        ...

    def card(self) -> dict[str, Any]:
        """Return the source's entry in the corpus's card, after all documents have been read."""
        ...

    def notes(self) -> list[str]:
        """Return sentences for the user, after all documents have been read."""
        ...


def open_sources(sources: list[AnySource]) -> list[Read]:
    """Open each source and check it against its pins. Files on the Hub are downloaded.

    Raises UserError if a package is missing or has another version, if files cannot be fetched, or
    if content has another SHA-256 than pinned.
    """
    several = sum(not isinstance(source, Source) for source in sources) > 1
    found: list[Read] = []
    for place, source in enumerate(sources):
        prefix = f"{place}/" if several else ""
        if isinstance(source, Source):
            found.append(PackageDocuments(source, f"sources[{place}]"))
        elif isinstance(source, DatasetSource):
            found.append(StreamedDocuments(source, prefix))
        else:
            found.append(FileDocuments(source, prefix))
    return found


class PackageDocuments:
    """Documents in an installed package. They are few enough to be kept in memory."""

    def __init__(self, source: Source, key: str) -> None:
        self.source, self.documents = source, read_source(source, key)
        self.read = 0

    def __len__(self) -> int:
        return len(self.documents)

    def __iter__(self) -> Iterator[Document]:
        return self.after(None)

    def after(self, state: dict[str, Any] | None) -> Iterator[Document]:
        self.read = 0 if state is None else state["read"]
        for document in self.documents[self.read :]:
            self.read += 1
            yield document

    def state(self) -> dict[str, Any]:
        return {"read": self.read}

    @property
    def content(self) -> Any:
        return self.source.sha256

    def card(self) -> dict[str, Any]:
        return {
            "package": self.source.package,
            "version": self.source.version,
            "licence": find_reader(self.source.reader).licence,
            "documents": len(self.documents),
            "characters": sum(len(document.text) for document in self.documents),
            "sha256": self.source.sha256,
        }

    def notes(self) -> list[str]:
        return []


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
        # Files are read again, since that takes little time beside what is done with documents.
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


def read_source(source: Source, key: str) -> list[Document]:
    """Return all documents of a package in its reader's order, checked against the pinned SHA-256.

    `key` is the source's key in the config, for errors. The hash is `documents.digest`.
    """
    read = find_reader(source.reader).read
    documents = list(read(package_files(source.package, source.version, key)))
    found = digest(documents)
    if found != source.sha256:
        raise UserError(
            f"{key}.sha256: expected {source.sha256}, found {found}: reader {source.reader} "
            f"takes other text from {source.package} {source.version} than the config pins; "
            "reinstall the package, or pin this SHA-256 if the reader was changed on purpose"
        )
    return documents
