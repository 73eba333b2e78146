"""Find the reader, named in a config, of the text in an installed Python package.

A reader is a module that defines `READER`. The config gives the short name of a module in
`corpus/embedded/readers/`, or the dotted name of any other module that can be imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from noiseband.corpus.documents import Document
from noiseband.errors import UserError
from noiseband.study.corpora import reader_module


@dataclass(frozen=True)
class Reader:
    """The type of `READER` in a reader's module."""

    read: Callable[[Mapping[str, Path]], Iterator[Document]]
    """Takes a package's files by name (as `packages.package_files` returns them) and yields its
    documents, in an order that the reader chooses."""
    licence: str
    """A note on the licence of the text, for the corpus's card."""


def find_reader(name: str) -> Reader:
    """Return the reader with this name. Raises UserError if its module has no `READER`."""
    reader = getattr(import_module(reader_module(name)), "READER", None)
    if not isinstance(reader, Reader):
        raise UserError(
            f"reader: {name}: the module has no READER; define one in it, of the type "
            "noiseband.corpus.readers.Reader"
        )
    return reader
