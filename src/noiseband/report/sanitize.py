"""Make text that models, judges and strangers wrote harmless before it is shown.

The templates escape HTML. This module handles invisible control characters: those that reorder the
text around them (a model can write U+202E like any other character) and those that HTML and XML
files may not contain. They are shown by their numbers, as `noiseband/terminal.py` does on a
terminal.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from noiseband.terminal import numbered

# C0 and C1 controls except tab and line feed, line separators, bidirectional embeddings, overrides
# and isolates, surrogates, noncharacters. Marks (U+200E) and joiners stay: languages need them.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def plain(text: str) -> str:
    """The text on one line, with each such character as `[U+202E]`, for charts and attributes."""
    return _ACTING.sub(lambda found: numbered(found[0]), " ".join(text.split("\n")))


def shown(text: object) -> Markup:
    """The text as escaped HTML, with each such character as a marked number."""
    mark = Markup('<span class="control">{}</span>')
    escaped, last = Markup(), 0
    raw = str(text)
    for found in _ACTING.finditer(raw):
        escaped += escape(raw[last : found.start()]) + mark.format(numbered(found[0])[1:-1])
        last = found.end()
    return escaped + escape(raw[last:])
