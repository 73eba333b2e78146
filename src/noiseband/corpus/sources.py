"""The sources of a corpus: their documents, the number of these, and their part of the card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from noiseband.corpus.documents import Document, digest
from noiseband.corpus.packages import package_files
from noiseband.corpus.readers import find_reader
from noiseband.corpus.row_documents import FileDocuments, StreamedDocuments
from noiseband.errors import UserError
from noiseband.study.corpora import AnySource, Source
from noiseband.study.dataset_source import DatasetSource


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


class ListedDocuments:
    """Documents that are few enough to be kept in memory."""

    def __init__(self, documents: list[Document]) -> None:
        self.documents, self.read = documents, 0

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


class PackageDocuments(ListedDocuments):
    """Documents in an installed package."""

    def __init__(self, source: Source, key: str) -> None:
        super().__init__(read_source(source, key))
        self.source = source

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
