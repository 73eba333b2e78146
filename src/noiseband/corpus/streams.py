"""Rows of a data set, streamed by the library `datasets`: nothing is written to the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.io.hub_files import check_revision
from noiseband.study.dataset_source import DatasetSplit

ARROW = "state.json"
"""A file in every folder that `save_to_disk` wrote."""


class DatasetStream:
    """The rows of a split, in its own order."""

    def __init__(self, source: DatasetSplit) -> None:
        """Raises UserError if there is no such data set, configuration or split."""
        self.source = source
        self.read = 0
        """Number of rows before the next one."""
        if source.revision is not None:
            check_revision(source.dataset, source.revision, source.unpinned)
        try:
            self._stream = _opened(source)
        except UserError:
            raise
        except Exception as error:
            raise _told(source, error) from error

    def __len__(self) -> int:
        """The number of rows, by reading all.

        Only of a data set on the Hub, whose rows are far away, its own record is taken. A record
        may be out of date: in a folder, that of a data set of which some rows were chosen often is.
        """
        if self.source.folder is None:
            found = (self._stream.info.splits or {}).get(self.source.split)
            known, first = int(found.num_examples or 0) if found else 0, self.source.first
            if known and (first is None or first < known):
                return first or known
        return sum(1 for _ in DatasetStream(self.source))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows after those of the state that was resumed, if one was."""
        try:
            for row in self._stream:
                self.read += 1
                yield row
        except Exception as error:
            raise _told(self.source, error, f"after row {self.read}: ") from error

    def state(self) -> dict[str, Any]:
        """The place after the last row, as plain JSON for `resume`."""
        return {"read": self.read, "stream": self._stream.state_dict()}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on with the row after the last one of the reading whose `state` this is."""
        self.read = state["read"]
        self._stream.load_state_dict(state["stream"])


def _opened(source: DatasetSplit) -> Any:
    """The rows to read as an `IterableDataset`."""
    whole = _split(source)
    return whole if source.first is None else whole.take(source.first)


def _split(source: DatasetSplit) -> Any:
    import datasets  # here, because it takes seconds and most corpora do not need it

    if source.folder is not None and not Path(source.folder).is_dir():
        raise UserError(
            f"{source.origin}: no such folder; give a path relative to the folder in which the "
            "study runs"
        )
    if source.folder is not None and (Path(source.folder) / source.split / ARROW).is_file():
        return datasets.load_from_disk(f"{source.folder}/{source.split}").to_iterable_dataset()
    if source.folder is not None and (Path(source.folder) / ARROW).is_file():
        whole = datasets.load_from_disk(source.folder)
        # Such as train, or train[:10%]; None if the rows are of no split.
        if whole.split is not None and source.split != str(whole.split).partition("[")[0]:
            raise UserError(
                f"{source.origin}: the folder has the split {whole.split} alone; write "
                f"split: {str(whole.split).partition('[')[0]}, or give another folder"
            )
        return whole.to_iterable_dataset()
    return datasets.load_dataset(
        source.dataset,
        source.config,
        split=source.split,
        revision=source.revision,
        streaming=True,
        token=os.environ.get("HF_TOKEN") or False,
    )


def _told(source: DatasetSplit, error: Exception, place: str = "") -> UserError:
    """The library's first line, with what to do."""
    said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    remedy = "correct `dataset`, `config` or `split`, or go online"
    return UserError(f"{source.origin}: {place}{said.strip()} ({remedy})")
