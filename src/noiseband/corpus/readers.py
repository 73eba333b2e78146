"""Readers of text in installed Python packages, which a config chooses by name.

A reader is registered as an entry point in the group `noiseband.readers`. This package's own
readers are in `corpus/embedded/`, and any other installed package may add more.
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
    """A reader of a package's text, to which an entry point refers."""

    read: Callable[[Mapping[str, Path]], Iterator[Document]]
    """Takes a package's files by name (`packages.package_files`) and yields its documents, always
    in the same order."""
    licence: str
    """A note on the licence of the text, for the corpus's card."""


def find_reader(name: str) -> Reader:
    """Return the reader called `name`, which exists because the config has been checked."""
    (found,) = entry_points(group=READERS, name=name)
    reader: Reader = found.load()
    return reader
