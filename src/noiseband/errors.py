"""Exceptions that the command line shows without a traceback, and parts of their messages."""

import os
import shlex
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

CONFIGFILES = "NOISEBAND_CONFIGFILES"
"""Environment variable with the option `--config ...`, set in the jobs of a study that is not
the default one, and in commands that were given `--config`. The commands that messages name need
this option."""


def run_command(*files: Path | str, options: str = "") -> str:
    """Return the command that makes files of this process's study, from this process's folder.
    `options` are Snakemake's."""
    return " ".join(filter(None, [study_command("run", *files), options and f"-- {options}"]))


def study_command(*words: Path | str) -> str:
    """Return a command of noiseband for this process's study, as one types it in a shell."""
    command = shlex.join(["noiseband", *map(str, words)])
    return " ".join(filter(None, [command, os.environ.get(CONFIGFILES, "")]))


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


def nearest(value: str, names: Iterable[str]) -> str:
    """`did you mean x?`, or all the valid names if none of them is similar."""
    valid = list(names)
    near = get_close_matches(value, valid, n=1, cutoff=0.4)
    return f"did you mean {near[0]}?" if near else f"valid: {', '.join(valid) or 'none'}"


PLUGINS: set[str] = set()
"""Paths of the files with ideas of the user's own that this process has run."""


def blamed(error: BaseException) -> str | None:
    """`ideas.py:12: ValueError: what it says`, for an error that passed through the code of a
    plugin; None for any other."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename in PLUGINS]
    if not own:
        return None
    said = next(iter(str(error).strip().splitlines()), "no message")
    return f"{own[-1].filename}:{own[-1].lineno}: {type(error).__name__}: {said}"
