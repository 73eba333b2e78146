"""Rows of a data set, streamed by the library `datasets`: nothing is written to the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noiseband.corpus.documents import valid_text
from noiseband.corpus.row_faults import short
from noiseband.errors import UserError
from noiseband.io.hub_files import check_revision
from noiseband.study.dataset_source import DatasetSource

ARROW = "state.json"
"""A file in every folder that `save_to_disk` wrote."""


class Rows:
    """The rows of a split, in its own order."""

    def __init__(self, source: DatasetSource) -> None:
        """Raises UserError if there is no such data set, configuration or split."""
        self.source = source
        if source.revision is not None:
            check_revision(source.dataset, source.revision, source.unpinned)
        try:
            self._stream = _opened(source)
        except Exception as error:
            raise _told(source, error) from error

    def __len__(self) -> int:
        """The number of rows: by the data set's own records, or by reading all."""
        splits = self._stream.info.splits or {}
        known = splits.get(self.source.split)
        if known is not None and known.num_examples:
            return int(known.num_examples)
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        read = 0
        try:
            for row in self._stream:
                yield row
                read += 1
        except Exception as error:
            raise _told(self.source, error, f"after row {read}: ") from error

    def texts(self) -> Iterator[tuple[str, bool]]:
        """The text of each row, with whether it was repaired (see `valid_text`).

        Raises UserError, with the row counted from 1, if a text is missing.
        """
        column = self.source.column
        for number, row in enumerate(self, 1):
            place = f"{self.source.origin}: row {number}"
            if column not in row:
                raise UserError(f"{place}: no column {column}; it has {', '.join(row)}")
            if not isinstance(row[column], str):
                raise UserError(f"{place}: {column} is {short(row[column])}, not text; correct it")
            yield valid_text(row[column])


def _opened(source: DatasetSource) -> Any:
    """The split as an `IterableDataset`."""
    import datasets  # here, because it takes seconds and most corpora do not need it

    if source.folder is not None and (Path(source.folder) / source.split / ARROW).is_file():
        return datasets.load_from_disk(f"{source.folder}/{source.split}").to_iterable_dataset()
    if source.folder is not None and (Path(source.folder) / ARROW).is_file():
        return datasets.load_from_disk(source.folder).to_iterable_dataset()
    return datasets.load_dataset(
        source.dataset,
        source.config,
        split=source.split,
        revision=source.revision,
        streaming=True,
        token=os.environ.get("HF_TOKEN") or False,
    )


def _told(source: DatasetSource, error: Exception, place: str = "") -> UserError:
    """The library's first line, with what to do."""
    said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    remedy = "correct `dataset`, `config` or `split`, or go online"
    return UserError(f"{source.origin}: {place}{said.strip()} ({remedy})")
