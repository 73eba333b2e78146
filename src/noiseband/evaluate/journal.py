"""What a long evaluation has found so far, so that one that is killed goes on where it stopped."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from noiseband.evaluate.continuations import Scored


class Journal:
    """A file that grows by a line for each score. The folder is removed at the end."""

    def __init__(self, folder: Path, key: str) -> None:
        """Open the journal in a folder, or begin a new one if it has another key.

        Args:
            key: digest of everything that decides the scores.
        """
        self.folder, self.path = folder, folder / "scores.jsonl"
        self.known: dict[int, Scored] = {}
        folder.mkdir(parents=True, exist_ok=True)
        whole = self._read(key)
        if whole is None:
            self.path.write_text(json.dumps(key) + "\n")
        else:
            # A line that was not written to its end would spoil the next one.
            os.truncate(self.path, whole)

    def add(self, scores: Iterable[tuple[int, Scored]]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            for place, score in scores:
                self.known[place] = score
                file.write(json.dumps([place, score.nats, score.greedy]) + "\n")

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _read(self, key: str) -> int | None:
        """Read the scores; the length of the whole lines, or None if there is no such journal."""
        try:
            lines = self.path.read_bytes().splitlines(keepends=True)
            if not lines or json.loads(lines[0]) != key:
                return None
            length = len(lines[0])
            for line in lines[1:]:
                if not line.endswith(b"\n"):
                    break
                place, nats, greedy = json.loads(line)
                self.known[int(place)] = Scored(float(nats), bool(greedy))
                length += len(line)
        except (FileNotFoundError, ValueError):
            self.known.clear()
            return None
        return length
