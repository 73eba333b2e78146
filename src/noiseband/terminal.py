"""Text that models, judges and files wrote, shown on a terminal.

`report/hostile.py` does the same for the page, where the writing of other languages needs marks and
joiners that a terminal may do without.
"""

from __future__ import annotations


def on_a_terminal(text: str) -> str:
    """The text with every character that draws nothing, but for line feeds, by its number.

    An escape sequence can move the cursor, set the title or, on some terminals, type: it must not
    get there from a model's answer, a file's name or an endpoint's error.
    """
    return "".join(c if c.isprintable() or c == "\n" else numbered(c) for c in text)


def one_line(text: str) -> str:
    """As `on_a_terminal`, line feeds too."""
    return on_a_terminal(text).replace("\n", numbered("\n"))


def numbered(character: str) -> str:
    """`[U+202E]`: a character that acts, to be seen."""
    return f"[U+{ord(character):04X}]"
