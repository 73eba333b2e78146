"""Exceptions that the command line shows without a traceback."""

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

CONFIGFILES = "NOISEBAND_CONFIGFILES"
"""Environment variable with the option `--config ...`, set in the jobs of a study that is not
the default one. The command that makes a file again needs this option."""


def run_command(*files: Path | str, config: Path | None = None, options: str = "") -> str:
    """Return the command that makes files of the study of `config`, or of this job's study, from
    the folder of this process. `options` are Snakemake's."""
    command = shlex.join(["noiseband", "run", *map(str, files)])
    study = os.environ.get(CONFIGFILES, "") if config is None else configfiles([config])
    return " ".join(filter(None, [command, study, options and f"-- {options}"]))


def configfiles(files: Iterable[Path | str]) -> str:
    """Return the option of `noiseband run` that names a study's config files."""
    return " ".join(f"--config {shlex.quote(str(file))}" for file in files)


class UserError(Exception):
    """A mistake that the user can correct. The message names key or file, value and remedy."""


class NotMadeError(UserError):
    """A file does not exist yet because its rule has not run."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not there yet; make it: {run_command(path)}")


class DamagedError(UserError, ValueError):
    """A file cannot be read in its format, or is not what a stage wrote."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"{path} is damaged ({what}); make it again: "
            f"rm {shlex.quote(str(path))} && {run_command(path)}"
        )
