"""The command line: `noiseband <command>`. Each command is thin; the work is in the stages."""

from __future__ import annotations

import errno
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

import typer

from noiseband.dag.orphans import end_with_workflow
from noiseband.errors import UserError
from noiseband.terminal import on_a_terminal

app = typer.Typer(
    name="noiseband",
    help="Did my change to the language model help, or is it noise?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

FULL = "free some space and start again: what has its final name is whole"
LOCKED = "make the folder writable, or choose another"
DENIED = "give yourself the right to read and write it, or choose another"
REMEDIES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EROFS: LOCKED,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EIO: "the disk fails: move the results to another, and start again",
    errno.ENAMETOOLONG: "shorten it",
    errno.EMFILE: "allow more open files (ulimit -n)",
}
"""What to do where the operating system refuses. Other refusals are mistakes of ours, and keep
their traceback."""

# Commands register themselves on `app`; the help lists them in this order.
# isort: off
from noiseband.cli import (  # noqa: E402
    rules,  # noqa: F401
    init,  # noqa: F401
    train,  # noqa: F401
    study,  # noqa: F401
    verify,  # noqa: F401
    crate,  # noqa: F401
    fit,  # noqa: F401
    hub,  # noqa: F401
    plan,  # noqa: F401
    published,  # noqa: F401
    report,  # noqa: F401
    track,  # noqa: F401
)
# isort: on


def main() -> None:
    """Entry point. Exit codes: 0 success, 1 a negative answer, 2 bad input, 128 + n by signal n."""
    end_with_workflow()
    if isinstance(sys.stdout, TextIOWrapper):
        # Not every locale has a dash for an empty cell (tr_TR.ISO-8859-9): a question mark will do.
        sys.stdout.reconfigure(errors="replace")
    try:
        app()
    except UserError as error:
        end(str(error))
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        end(f"{error.filename or 'a file'}: {error.strerror}; {remedy}")


def end(message: str) -> NoReturn:
    """Say why, in characters that do nothing else to a terminal, and exit with 2."""
    with suppress(OSError):  # a log on the disk that is full
        print(f"noiseband: {on_a_terminal(message)}", file=sys.stderr, flush=True)
    sys.exit(2)
