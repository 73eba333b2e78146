"""Exceptions that the command line shows without a traceback."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

CONFIGFILES = "NOISEBAND_CONFIGFILES"
"""Environment variable: `--configfile ...`, in a job of a study that is not the default one. The
command that makes a file again must say it."""


def snakemake(*words: Path | str, config: Path | None = None) -> str:
    """The command that makes files: of the study of `config`, or of the one whose job this is."""
    command = shlex.join(["snakemake", *map(str, words)])
    option = os.environ.get(CONFIGFILES, "") if config is None else configfiles([config])
    return f"{command} {option}".rstrip()


def configfiles(files: Iterable[Path | str]) -> str:
    """The option by which a command of Snakemake's names its config. It comes last, for it takes
    all words that follow."""
    return f"--configfile {shlex.join(map(str, files))}"


class UserError(Exception):
    """A mistake that its reader can mend: names the key or file, the value and the remedy."""


class NotMadeError(UserError):
    """A file that a rule of the workflow has yet to make."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not there yet; make it: {snakemake(path)}")


class DamagedError(UserError, ValueError):
    """A file that is not what a stage wrote there, or cannot be read as what it should be."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path} is damaged ({what}); make it again: "
            f"rm {shlex.quote(str(path))} && {snakemake(path)}"
        )
