"""Text that models, judges and strangers wrote, made harmless before it is shown.

Escaping is the template's work. What is left are characters that draw nothing and act all the same:
controls that reorder the text around them (a model can write U+202E as well as any other
character), or that no HTML or XML file may hold. They are shown by their numbers instead, as
`noiseband/terminal.py` shows them on a terminal.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from noiseband.terminal import numbered

# C0 and C1 controls but tab and line feed, line separators, bidirectional embeddings, overrides
# and isolates, surrogates, noncharacters. Marks (U+200E) and joiners, which languages need, stay.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


def plain(text: str) -> str:
    """One line of text, each such character as `[U+202E]`: for charts and attributes."""
    return _ACTING.sub(lambda found: numbered(found[0]), " ".join(text.split("\n")))


def shown(text: object) -> Markup:
    """Escaped HTML, each such character as a marked number."""
    mark = Markup('<span class="control">{}</span>')
    escaped, last = Markup(), 0
    raw = str(text)
    for found in _ACTING.finditer(raw):
        escaped += escape(raw[last : found.start()]) + mark.format(numbered(found[0])[1:-1])
        last = found.end()
    return escaped + escape(raw[last:])
