"""Safe display on a terminal of text from models, judges and files; lines that must be seen there.

`report/sanitize.py` does the same for the page, but keeps the marks and joiners that other
languages need.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def on_a_terminal(text: str) -> str:
    """Return the text with each unprintable character except line feeds replaced by its number.

    An escape sequence can move the cursor, set the title or, on some terminals, type. It must not
    reach a terminal from a model's answer, a file's name or an endpoint's error.
    """
    return "".join(c if c.isprintable() or c == "\n" else numbered(c) for c in text)


def one_line(text: str) -> str:
    """The same as `on_a_terminal`, but line feeds are replaced too."""
    return on_a_terminal(text).replace("\n", numbered("\n"))


def numbered(character: str) -> str:
    """Return a character's number in visible form, such as `[U+202E]`."""
    return f"[U+{ord(character):04X}]"


def tell(sentence: str) -> None:
    """Print a line that the user must see to standard error and, if that is another file, to
    standard output.

    The standard error of a study's job is its log, which few people read; its standard output is
    the terminal in which Snakemake runs.
    """
    line = f"noiseband: {one_line(sentence)}"
    print(line, file=sys.stderr, flush=True)
    with suppress(OSError, ValueError):  # A stream may be closed, or have no file.
        if not os.path.samestat(os.fstat(1), os.fstat(2)):
            print(line, file=sys.stdout, flush=True)
