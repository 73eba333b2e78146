"""Readers of text that installed Python packages carry, found by their name in the config.

A reader is a module with a `READER`: one of `corpus/embedded/readers/` by its short name, or any
other module that can be imported by its dotted name.
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
    """What a reader's module calls `READER`."""

    read: Callable[[Mapping[str, Path]], Iterator[Document]]
    """Takes a package's files by their names (`packages.package_files`) and yields its documents,
    in an order of its own."""
    licence: str
    """A note on the licence of the text, for the corpus's card."""


def find_reader(name: str) -> Reader:
    """The reader of that name. Raises UserError if its module has none."""
    reader = getattr(import_module(reader_module(name)), "READER", None)
    if not isinstance(reader, Reader):
        raise UserError(
            f"reader: {name}: the module has no READER; give it one, a "
            "noiseband.corpus.readers.Reader"
        )
    return reader
