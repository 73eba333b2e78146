"""Exceptions that the command line shows without a traceback."""

import shlex
from pathlib import Path


class UserError(Exception):
    """A mistake that its reader can mend: names the key or file, the value and the remedy."""


class NotMadeError(UserError):
    """A file that a rule of the workflow has yet to make."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not there yet; make it: snakemake {path}")


class DamagedError(UserError, ValueError):
    """A file that is not what a stage wrote there, or cannot be read as what it should be."""

    def __init__(self, path: Path, what: str) -> None:
        place = shlex.quote(str(path))
        super().__init__(
            f"{path} is damaged ({what}); make it again: rm {place} && snakemake {place}"
        )
