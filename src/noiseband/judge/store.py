"""Store requests and replies, so that nothing is paid for twice.

Each request has a file that is named by its SHA-256 and is written atomically. The folder is not a
declared output, so Snakemake does not touch it; delete it to ask everything again.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from noiseband.errors import DamagedError, UserError
from noiseband.io.checksums import intact
from noiseband.io.files import write_text
from noiseband.io.locks import lock
from noiseband.study.section import canonical_json


@dataclass
class Entry:
    """One request and its replies."""

    request: dict[str, Any]
    """The request: `endpoint`, `round` and `body`, but never an API key."""
    requests: int = 0
    """The number of times it was sent."""
    replies: list[dict[str, Any]] = field(default_factory=list)
    """The chat completions as they came; the last is usable, unless all attempts are used up
    or the endpoint refused."""
    finished: bool = False
    """Whether the request must not be sent again, except when `judge.attempts` is raised."""
    attempts: int = 0
    """The value of `judge.attempts` at which asking ended without a usable reply; else 0."""
    refusal: str | None = None
    """The reason if the endpoint refused the request the last time it was sent."""

    @property
    def key(self) -> str:
        return hashlib.sha256(canonical_json(self.request).encode()).hexdigest()


class Store:
    """A folder of entries. Hold its lock while asking."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock, after waiting for any other process that holds it.

        Only one process asks at a time, so that the budget holds for all of them. The lock ends
        with the process, however it ends.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as file:
            if not lock(file, wait=False):
                if sys.stderr.isatty():
                    print("waiting for another judging round to end", file=sys.stderr)
                lock(file)
            for leftover in self.folder.glob(".*.tmp"):
                leftover.unlink()  # a partial file of a process that was killed while writing
            yield

    @contextmanager
    def entry(self, request: dict[str, Any]) -> Iterator[Entry]:
        """The stored or new entry of a request.

        Only one thread at a time gets it, because two questions may be the same.
        """
        fresh = Entry(request)
        with self._busy[fresh.key]:
            path = self._path(fresh)
            yield _read(path) if path.exists() else fresh

    def put(self, entry: Entry) -> None:
        """Write an entry, in ASCII so that a reply may contain lone surrogates."""
        write_text(self._path(entry), json.dumps(asdict(entry), indent=1, sort_keys=True) + "\n")

    def entries(self) -> list[Entry]:
        return [_read(path) for path in sorted(self.folder.glob("*.json"))]

    def _path(self, entry: Entry) -> Path:
        return self.folder / f"{entry.key}.json"


def _read(path: Path) -> Entry:
    try:
        return Entry(**json.loads(intact(path).read_bytes()))
    except DamagedError:
        what = "not the bytes that were written"
    except (ValueError, TypeError) as error:
        what = str(error)
    raise UserError(f"{path}: not a stored reply ({what}); remove it to ask its question again")
