"""Locks on open files. A lock ends with the process that holds it, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from functools import cache
from typing import IO, Any

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)
"""How file systems without locks answer, such as Lustre mounted without `flock`, and some NFS."""


def lock(file: IO[Any], *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file until it is closed; return whether it is locked.

    It is not locked only without `wait`, while another process has a lock on it. On a file system
    without locks there is no protection: this is said once, and the file counts as locked.

    Raises OSError, with the file's name, if the system refuses for any other reason.
    """
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise OSError(error.errno, error.strerror, file.name) from error
        _tell(os.path.dirname(file.name) or ".")  # noqa: PTH120
    return True


@cache
def _tell(folder: str) -> None:
    print(
        f"noiseband: {folder}: its file system has no locks, so do not start the same study a "
        "second time while it runs",
        file=sys.stderr,
        flush=True,
    )
