"""From sources to splits: read, verify, shuffle, divide, and write with a card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from noiseband.corpus import asv, factbook
from noiseband.corpus.documents import Document, digest
from noiseband.corpus.packages import package_files
from noiseband.errors import UserError
from noiseband.files import write_json, write_jsonl
from noiseband.study.corpora import Documents, Source

Reader = Callable[[Mapping[str, Path]], Iterator[Document]]
READERS: dict[str, tuple[Reader, str]] = {
    "asv": (asv.read_asv, asv.LICENCE),
    "factbook": (factbook.read_factbook, factbook.LICENCE),
}
"""Name in the config to the function that reads a package's files, and a note on the licence."""


def build_corpus(config: Documents, out: Path) -> None:
    """Write `train.jsonl`, `validation.jsonl`, `test.jsonl` and `card.json` into the folder `out`.

    A row is `{"id", "text"}`. The files are a function of the config alone. Raises UserError for
    a package that is missing or has another version, for text that does not match its pinned
    SHA-256, and for a split that would hold no document.
    """
    packages = [source for source in config.sources if isinstance(source, Source)]
    if len(packages) < len(config.sources):
        raise UserError("sources: files are not read by this version; give packages")
    read = [read_source(source, f"sources[{i}]") for i, source in enumerate(packages)]
    documents = [document for source in read for document in source]
    splits = split_documents(documents, config.validation, config.test)
    for name, part in splits.items():
        write_jsonl(out / f"{name}.jsonl", ({"id": d.id, "text": d.text} for d in part))
    sources = zip(packages, read, strict=True)
    card = {
        "sources": [_source_card(source, read) for source, read in sources],
        "duplicates_left_out": len(documents) - sum(map(len, splits.values())),
        "splits": {name: _size(part) for name, part in splits.items()},
    }
    write_json(out / "card.json", card)


def read_source(source: Source, key: str) -> list[Document]:
    """All documents of a source in its reader's order, checked against the pinned SHA-256.

    `key` is the source's place in the config, for errors. The hash is `documents.digest`.
    """
    read, _ = READERS[source.reader]
    documents = list(read(package_files(source.package, source.version, key)))
    found = digest(documents)
    if found != source.sha256:
        raise UserError(
            f"{key}.sha256: expected {source.sha256}, found {found}: reader {source.reader} "
            f"takes other text from {source.package} {source.version} than the config pins; "
            "reinstall the package, or pin what was found if the reader changed on purpose"
        )
    return documents


def split_documents(
    documents: list[Document], validation: float, test: float
) -> dict[str, list[Document]]:
    """Documents of each split, in the order of the SHA-256 of their ids.

    That order is the shuffle: no generator, and the same on every machine. The first
    `round(test * n)` documents are the test split, the next `round(validation * n)` validation,
    the rest train. Of documents with one text the first alone is kept, so no text lies in two
    splits. Raises UserError if a split would be empty.
    """
    unique = list({document.text: document for document in reversed(documents)}.values())
    shuffled = sorted(unique, key=lambda d: hashlib.sha256(d.id.encode()).digest())
    tests, validations = (round(share * len(shuffled)) for share in (test, validation))
    held_out = tests + validations
    splits = {
        "train": shuffled[held_out:],
        "validation": shuffled[tests:held_out],
        "test": shuffled[:tests],
    }
    for name, part in splits.items():
        if not part:
            raise UserError(
                f"validation={validation}, test={test}: of {len(shuffled)} documents none is left "
                f"for {name}; change the shares or add a source"
            )
    return splits


def _source_card(source: Source, documents: list[Document]) -> dict[str, Any]:
    size = _size(documents)
    return {
        "package": source.package,
        "version": source.version,
        "licence": READERS[source.reader][1],
        "documents": size["documents"],
        "characters": size["characters"],
        "sha256": source.sha256,
    }


def _size(documents: list[Document]) -> dict[str, int]:
    return {
        "documents": len(documents),
        "characters": sum(len(document.text) for document in documents),
        "bytes": sum(len(document.text.encode()) for document in documents),
    }
