"""Rows that the library `datasets` reads: documents, or instructions."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from noiseband.study.problems import pinned
from noiseband.study.section import ADDED, Positive, Section


class DatasetSplit(Section):
    """Rows of a split that the library `datasets` streams: a data set of the Hub in one of its
    configurations, a folder of files, or a folder that `save_to_disk` wrote."""

    dataset: Annotated[str, Field(pattern=r"^([\w.-]+/[\w.-]+|\.{0,2}/.*)$")]
    """The data set on the Hub, as owner/name, or a folder, whose name begins with `./`, `../` or
    `/`."""
    config: Annotated[str, Field(min_length=1)] | None = None
    """Name of one of the data set's configurations, such as `sample-10BT`."""
    split: Annotated[str, Field(min_length=1)] = "train"
    """The split of the data set."""
    revision: Annotated[str, Field(pattern=r"^[\w./-]+$")] | None = None
    """The data set's commit, 40 hex digits; with `unpinned`, also a branch or tag."""
    unpinned: bool = False
    """Whether `revision` may be a branch or tag, which can point to another commit tomorrow."""
    first: Annotated[Positive | None, ADDED] = None
    """Number of rows to read, from the first; null means all."""

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        if self.folder is not None:
            if self.revision is not None or self.unpinned:
                raise ValueError(f"{self.dataset} is a folder, which has no revision; remove it")
            return self
        if self.revision is None:
            raise ValueError(
                f"give the `revision` of {self.dataset}: the commit's 40 hex digits; a folder's "
                "name begins with ./"
            )
        if not (pinned(self.revision) or self.unpinned):
            raise ValueError(
                f"revision={self.revision} may move; give the commit's 40 hex digits (under "
                "History on the data set's page on the Hub), or set unpinned: true"
            )
        return self

    @property
    def folder(self) -> str | None:
        """The folder of the data set; None if it is on the Hub."""
        return self.dataset if self.dataset.startswith((".", "/")) else None

    @property
    def origin(self) -> str:
        """A name for the rows, equal wherever they are read."""
        return ": ".join(filter(None, (self.dataset, self.config, self.split)))


class DatasetSource(DatasetSplit):
    """Documents in the rows of such a split."""

    column: Annotated[str, Field(min_length=1)] = "text"
    """Column that contains the text."""
