"""Escape untrusted text for Markdown, so that it is shown as text and nothing else."""

from __future__ import annotations

import re

from noiseband.report.sanitize import plain

_MARKS = re.compile(r"[\\`*_{}\[\]<>#|~&$@]|^[-+=]|^\d+(?=[.)])|(?<=:)/(?=/)|(?<=www)\.")
"""Characters with a meaning in Markdown: anywhere, at the start of a line, or in an address."""


def inline(text: object) -> str:
    """One line of text without any markup, link or HTML."""
    return _MARKS.sub(lambda found: _escaped(found.group()), plain(str(text)))


def _escaped(mark: str) -> str:
    return f"&#{ord(mark[0])};{mark[1:]}" if mark[0].isdigit() else f"\\{mark}"


def code(text: object) -> str:
    """One line of code; it may be used in a table cell."""
    line = plain(str(text)).replace("|", r"\|")
    if not line:
        return ""
    mark = "`" * (_longest(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{mark}{space}{line}{space}{mark}"


def block(text: object) -> str:
    """A block of code that no line inside it can end."""
    body = "\n".join(plain(line) for line in str(text).split("\n"))
    fence = "`" * max(3, _longest(body) + 1)
    return f"{fence}text\n{body}\n{fence}"


def _longest(text: str) -> int:
    """The length of the longest sequence of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
