"""The command line: `noiseband <command>`. Each command is thin; the stages do the work."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
import traceback
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

import typer

from noiseband.cli.commands import Commands
from noiseband.dag.orphans import end_with_workflow
from noiseband.errors import UserError, blamed
from noiseband.terminal import on_a_terminal

app = typer.Typer(
    name="noiseband",
    cls=Commands,
    help="Did my change to the language model help, or is it noise?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def _() -> None:
    """A group of commands, also while no module of a command is imported."""


FULL = "free some space and start again: every file with its final name is complete"
LOCKED = "make the folder writable, or choose another folder"
DENIED = "give yourself permission to read and write it, or choose another path"
REMEDIES = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EROFS: LOCKED,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EIO: "the disk is failing: move the results to another disk and start again",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.EMFILE: "allow more open files (ulimit -n)",
}
"""What the user can do about each error of the operating system. Any other error is a bug in
noiseband and keeps its traceback."""

SOCKS = (
    "the environment names a SOCKS proxy (such as ALL_PROXY=socks5://…), for which the package "
    "socksio is missing; run `pip install socksio`, or unset the variable"
)


def main() -> None:
    """Entry point. Exit codes: 0 success, 1 a negative answer, 2 bad input, 128 + n signal n."""
    end_with_workflow()
    # A terminal in a notebook names a backend here that only the notebook's Python has, and with
    # which matplotlib cannot be imported. Charts are files, which need none.
    os.environ.pop("MPLBACKEND", None)
    # A process with PyTorch would spend up to a second on a last search for garbage.
    atexit.register(gc.freeze)
    if isinstance(sys.stdout, TextIOWrapper):
        # Some locales (tr_TR.ISO-8859-9) have no dash for an empty cell: print a question mark.
        sys.stdout.reconfigure(errors="replace")
    try:
        app()
    except UserError as error:
        end(str(error))
    except OSError as error:
        end_if_in_a_plugin(error)
        remedy = REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        end(f"{error.filename or 'a file'}: {error.strerror}; {remedy}")
    except ImportError as error:
        end_if_in_a_plugin(error)
        if "socksio" not in str(error):
            raise
        end(SOCKS)
    except Exception as error:
        end_if_in_a_plugin(error)
        raise


def end_if_in_a_plugin(error: Exception) -> None:
    """End with one line if an error passed through the code of a plugin. A log also gets the
    traceback."""
    message = blamed(error)
    if message is not None:
        if not sys.stderr.isatty():
            traceback.print_exception(error)
        end(message)


def end(message: str) -> NoReturn:
    """Print the message without control characters to standard error, and exit with 2."""
    with suppress(OSError):  # standard error may be a log on a full disk
        print(f"noiseband: {on_a_terminal(message)}", file=sys.stderr, flush=True)
    sys.exit(2)
