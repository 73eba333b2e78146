"""The command line: `noiseband <command>`. Each command is thin; the work is in the stages."""

from __future__ import annotations

import sys

import typer

from noiseband.errors import UserError
from noiseband.orphans import end_with_workflow

app = typer.Typer(
    name="noiseband",
    help="Did my change to the language model help, or is it noise?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

# Commands register themselves on `app`.
from noiseband.cli import (  # noqa: E402
    bits,  # noqa: F401
    fit,  # noqa: F401
    hub,  # noqa: F401
    people,  # noqa: F401
    plan,  # noqa: F401
    published,  # noqa: F401
    report,  # noqa: F401
    stages,  # noqa: F401
    track,  # noqa: F401
)


def main() -> None:
    """Entry point. Exit codes: 0 success, 1 a negative answer, 2 bad input, 128 + n by signal n."""
    end_with_workflow()
    try:
        app()
    except UserError as error:
        print(f"noiseband: {error}", file=sys.stderr)
        sys.exit(2)
