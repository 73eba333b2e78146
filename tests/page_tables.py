"""Tables of a page as a reader sees them: cells by the name of their column."""

from __future__ import annotations

import html
import re


def page_table(page: str, caption: str) -> list[dict[str, str]]:
    """The rows of the table whose caption has this id, each with its cells by column.

    The parts of a cell, such as a number and the interval below it, are a blank apart. A row that
    continues the one above, whose first cells span it, has the last columns alone.
    """
    start = page.index(f'<caption id="{caption}"')
    body = page[page.index("<thead>", start) : page.index("</table>", start)]
    lines = [
        [_text(cell) for cell in re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr\b.*?</tr>", body, re.DOTALL)
    ]
    columns = lines[0]
    return [dict(zip(columns[-len(cells) :], cells, strict=True)) for cells in lines[1:]]


def row_of(page: str, caption: str, first: str) -> dict[str, str]:
    """The one row of that table whose first cell begins with this name."""
    found = [row for row in page_table(page, caption) if _first(row).split(" ")[0] == first]
    assert len(found) == 1, (caption, first, found)
    return found[0]


def _first(row: dict[str, str]) -> str:
    return next(iter(row.values()))


def _text(cell: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split())
