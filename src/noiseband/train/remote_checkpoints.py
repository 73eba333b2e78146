"""A copy of the work folder on object storage, so that another machine can resume a run.

The work folder is written first, and is read if it has the newest checkpoint. After each checkpoint
the journals are copied, and then the checkpoint, so that a checkpoint in the copy has all the rows
that it relies on. Nothing locks an object store. Two processes that train the same run by mistake
write the same bits, since the recipe decides them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from noiseband.errors import UserError
from noiseband.io.files import atomic
from noiseband.train.checkpoint import (
    SEGMENTS,
    State,
    check_journals,
    file_name,
    numbered,
    read,
    step_of,
    superseded,
)

VARIABLE = "NOISEBAND_CHECKPOINTS"
"""Environment variable with the URI under which every work folder is copied."""

JOURNALS = ("trace.jsonl", "samples.jsonl", SEGMENTS)


def uri_of(work: Path) -> str | None:
    """URI of a work folder's copy: its path under $NOISEBAND_CHECKPOINTS; None if that is unset."""
    base = os.environ.get(VARIABLE)
    return f"{base.rstrip('/')}/{work.as_posix().lstrip('/')}" if base else None


class RemoteCheckpoints:
    """The copy of one run's work folder."""

    def __init__(self, uri: str, further: Callable[[int], Sequence[str]] = lambda step: ()) -> None:
        """
        Args:
            uri: address of the copy.
            further: returns the files that a checkpoint after so many steps relies on, besides the
                journals.

        Raises:
            UserError: the URI contains a password, or no installed package can read it.
        """
        if "@" in uri.partition("://")[2].partition("/")[0]:
            raise UserError(
                "--checkpoints: the URI contains a user or a password, which would end up in logs; "
                "give them in the way that the store's client expects (S3: AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY or ~/.aws)"
            )
        import fsspec  # takes 40 ms, which a run without a copy saves

        self.uri, self.further = uri.rstrip("/"), further
        self.copied: set[str] = set()
        """The further files that this process has copied."""
        try:
            self.store, self.root = fsspec.url_to_fs(self.uri)
        except (ImportError, ValueError) as error:
            raise UserError(
                f"--checkpoints {uri}: {error}; for s3:// install 'noiseband[s3]'"
            ) from error

    def newest(
        self, work: Path, after: int, lacking: Callable[[State], str | None] = lambda state: None
    ) -> tuple[State | None, list[str]]:
        """Fetch the newest intact checkpoint of more than `after` steps with all it relies on.

        Returns the state, or None, and a complaint for each newer checkpoint that is damaged or
        lacks something; the latter are removed, as `checkpoint.load` removes them.
        Raises UserError if the store cannot be used.
        """
        complaints: list[str] = []
        with _speaking(f"cannot keep checkpoints at {self.uri}"):
            self.store.makedirs(self.root, exist_ok=True)
            for step in sorted(self._steps(), reverse=True):
                if step <= after:
                    break
                name = f"{self.uri}/{file_name(step)}"
                try:
                    state = self._fetched(work, step)
                except ValueError as error:
                    complaints.append(f"{name} is damaged ({error})")
                    continue
                if (lack := lacking(state)) is None:
                    return state, complaints
                complaints.append(f"{name} is of no use without {lack}")
                (work / file_name(step)).unlink()
                self.store.rm_file(f"{self.root}/{file_name(step)}")
        return None, complaints

    def _steps(self) -> list[int]:
        self.store.invalidate_cache()
        try:
            found = self.store.ls(self.root, False)
        except FileNotFoundError:  # an object store has no empty folders
            return []
        names = (path.rstrip("/").rpartition("/")[2] for path in found)
        return [step for name in names if (step := step_of(name)) is not None]

    def _fetched(self, work: Path, step: int) -> State:
        """Raises ValueError and leaves the work folder as it was if a fetched file is damaged."""
        path = work / file_name(step)
        self._get(path)
        try:
            state = read(path)
            with tempfile.TemporaryDirectory(dir=work) as scratch:
                for name in JOURNALS:
                    self.store.get_file(f"{self.root}/{name}", f"{scratch}/{name}")
                check_journals(Path(scratch), state)
                for name in self.further(step):
                    self._get(work / name)
                for name in JOURNALS:
                    os.replace(Path(scratch, name), work / name)
        except (ValueError, FileNotFoundError) as error:
            path.unlink(missing_ok=True)
            raise ValueError(str(error)) from error
        return state

    def _get(self, path: Path) -> None:
        with atomic(path, checksum=False) as temporary:
            self.store.get_file(f"{self.root}/{path.name}", str(temporary))

    def save(self, work: Path, last: int, keeps: Callable[[int], bool]) -> str | None:
        """Copy the journals, further files and the newest checkpoint, then remove the superseded
        checkpoints.

        Returns:
            A complaint if the copy failed; training continues, and the next checkpoint is copied.
        """
        try:
            with _speaking(f"cannot copy the checkpoint to {self.uri}"):
                step, newest = numbered(work)[0]
                further = [name for name in self.further(step) if name not in self.copied]
                for name in (*JOURNALS, *further, newest.name):
                    self.store.put_file(str(work / name), f"{self.root}/{name}")
                self.copied.update(further)
                for step in superseded(self._steps(), last, keeps):
                    self.store.rm_file(f"{self.root}/{file_name(step)}")
        except UserError as error:
            return f"{error}; training continues, and the next checkpoint will be copied"
        return None


@contextmanager
def _speaking(what: str) -> Iterator[None]:
    """Turn any error of a store into a UserError that starts with `what`."""
    try:
        yield
    except Exception as error:  # each store's client has its own exceptions
        reason = str(error).partition("\n")[0]
        raise UserError(f"{what} ({type(error).__name__}: {reason})") from error
