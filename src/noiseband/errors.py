"""Exceptions that the command line shows without a traceback."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

CONFIGFILES = "NOISEBAND_CONFIGFILES"
"""Environment variable with the option `--configfile ...`, set in the jobs of a study that is not
the default one. The command that makes a file again needs this option."""


def snakemake(*words: Path | str, config: Path | None = None) -> str:
    """Return the command that makes files of the study of `config`, or of this job's study."""
    command = shlex.join(["snakemake", *map(str, words)])
    option = os.environ.get(CONFIGFILES, "") if config is None else configfiles([config])
    return f"{command} {option}".rstrip()


def configfiles(files: Iterable[Path | str]) -> str:
    """Return the option that names a Snakemake command's config files. It must come last, because
    it takes all words that follow."""
    return f"--configfile {shlex.join(map(str, files))}"


class UserError(Exception):
    """A mistake that the user can correct. The message names key or file, value and remedy."""


class NotMadeError(UserError):
    """A file does not exist yet because its rule has not run."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not there yet; make it: {snakemake(path)}")


class DamagedError(UserError, ValueError):
    """A file cannot be read in its format, or is not what a stage wrote."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path} is damaged ({what}); make it again: "
            f"rm {shlex.quote(str(path))} && {snakemake(path)}"
        )
