"""Readers of text that installed Python packages carry, found by their name in the config.

A reader is registered as an entry point of the group `noiseband.readers`: this package's own are in
`corpus/embedded/`, and any other installed package may add some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from noiseband.corpus.documents import Document
from noiseband.study.corpora import READERS


@dataclass(frozen=True)
class Reader:
    """What an entry point of the group is."""

    read: Callable[[Mapping[str, Path]], Iterator[Document]]
    """Takes a package's files by their names (`packages.package_files`) and yields its documents,
    in an order of their own."""
    licence: str
    """A note on the licence of the text, for the corpus's card."""


def find_reader(name: str) -> Reader:
    """The reader of that name, which a study's config has been checked for."""
    (found,) = entry_points(group=READERS, name=name)
    reader: Reader = found.load()
    return reader
