"""Where an interrupted reading of documents goes on."""

from __future__ import annotations

import json
import os
import shutil
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from noiseband.io.files import atomic

STATE, TEXTS = "journal.json", "texts"


class Journal:
    """The state of a reading in the folder of its files.

    Files only grow, so an interrupted reading goes on after they have been cut to the sizes that
    were written down last.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        """Restore the reading that was interrupted in a folder, or else empty the folder.

        Args:
            identity: decides whether that was the same reading; an empty one never is.
        """
        self.folder, self.identity = folder, identity
        self.states: list[dict[str, Any]] = []
        """The state of each source that was begun."""
        self.texts = array("Q")
        """Two numbers for each document: the first 16 bytes of the SHA-256 of its text."""
        if not self._restored():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self._saved = len(self.texts)

    @property
    def documents(self) -> int:
        """Number of documents that were read."""
        return len(self.texts) // 2

    def save(
        self, files: Sequence[BinaryIO], texts: array[int], states: list[dict[str, Any]]
    ) -> None:
        """Write down that all documents in `files` need not be read again."""
        if not self.identity:
            return
        with open(self.folder / TEXTS, "r+b" if self._saved else "wb") as file:
            file.seek(8 * self._saved)
            texts[self._saved :].tofile(file)
        self._saved = len(texts)
        for one in files:
            one.flush()
        sizes = {Path(one.name).name: one.tell() for one in files}
        state = {"identity": self.identity, "sizes": sizes, "texts": len(texts), "states": states}
        with atomic(self.folder / STATE) as temporary:
            temporary.write_text(json.dumps(state))

    def _restored(self) -> bool:
        try:
            state = json.loads((self.folder / STATE).read_bytes())
            if not self.identity or state["identity"] != self.identity:
                return False
            with open(self.folder / TEXTS, "rb") as file:
                self.texts.fromfile(file, state["texts"])
            for name, size in state["sizes"].items():
                if (self.folder / name).stat().st_size < size:
                    raise ValueError(name)
                os.truncate(self.folder / name, size)
        except (OSError, ValueError, EOFError, KeyError):
            self.texts = array("Q")
            return False
        self.states = state["states"]
        return True
