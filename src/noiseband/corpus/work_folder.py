"""A folder for what a killed job leaves to the next one."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from noiseband.errors import UserError
from noiseband.io.locks import lock


@contextmanager
def work_folder(folder: Path) -> Iterator[None]:
    """Lock a folder for a block, and remove it after the block has succeeded.

    Raises UserError if another process has locked it, or if the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "w") as file:
            if not lock(file, wait=False):
                raise UserError(f"{folder}: another process uses it; wait for it or end it")
            for leftover in folder.glob(".*.tmp"):
                leftover.unlink()  # An incomplete file of a process that was killed.
            yield
            shutil.rmtree(folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise UserError(
            f"{error.filename or folder}: {error.strerror}; free some space and start again; "
            "what is finished is reused"
        ) from error
