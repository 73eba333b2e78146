"""The reading of all sources of a corpus, which can go on where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from noiseband.corpus.documents import Document
from noiseband.corpus.sources import Read


class Reading:
    """The documents of several sources, one source after the other."""

    def __init__(self, sources: Sequence[Read]) -> None:
        self.sources = sources
        self._begun = 0

    def after(self, states: Sequence[dict[str, Any]]) -> Iterator[Document]:
        """Yield the documents after those that were read when `states` was made; of an empty list,
        all."""
        for place, source in enumerate(self.sources):
            self._begun = place + 1
            yield from source.after(states[place] if place < len(states) else None)

    def states(self) -> list[dict[str, Any]]:
        """Plain JSON about each source that was begun, after any document."""
        return [source.state() for source in self.sources[: self._begun]]

    @property
    def contents(self) -> list[Any] | None:
        """Plain JSON that changes if a source does; None if a source may change unseen."""
        found = [source.content for source in self.sources]
        return None if None in found else found
