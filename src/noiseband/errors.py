"""Exceptions that the command line shows without a traceback."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

CONFIGFILES = "NOISEBAND_CONFIGFILES"
"""Environment variable: `--configfile ...`, in a job of a study that is not the default one. The
command that makes a file again must say it."""


def snakemake(paths: Iterable[Path | str]) -> str:
    """The command that makes files of the study whose job this is."""
    words = ["snakemake", *map(str, paths)]
    return f"{shlex.join(words)} {os.environ.get(CONFIGFILES, '')}".rstrip()


class UserError(Exception):
    """A mistake that its reader can mend: names the key or file, the value and the remedy."""


class NotMadeError(UserError):
    """A file that a rule of the workflow has yet to make."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not there yet; make it: {snakemake([path])}")


class DamagedError(UserError, ValueError):
    """A file that is not what a stage wrote there, or cannot be read as what it should be."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path} is damaged ({what}); make it again: "
            f"rm {shlex.quote(str(path))} && {snakemake([path])}"
        )
