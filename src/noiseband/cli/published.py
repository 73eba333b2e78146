"""`noiseband published`."""

from __future__ import annotations

import csv
import io
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseband.cli import app
from noiseband.errors import UserError, nearest
from noiseband.io.files import write_text

if TYPE_CHECKING:
    from noiseband.published.table import Table

WIDTH = 100


@app.command()
def published(
    table: Annotated[str | None, typer.Option(help="Show only this table.")] = None,
    csv_folder: Annotated[
        Path | None, typer.Option("--csv", help="Write each table as CSV into this folder.")
    ] = None,
) -> None:
    """Recompute the published series' tables, with its mistakes marked.

    Example: `noiseband published --table mistakes`

    Printed and recomputed figures are shown side by side, to the printed precision.
    """
    from noiseband.published.tables import tables

    found = tables()
    if table is not None and table not in found:
        raise UserError(f"--table {table}: no such table; {nearest(table, found)}")
    chosen = list(found.values()) if table is None else [found[table]]
    if csv_folder is not None:
        for one in chosen:
            write_text(csv_folder / f"{one.name}.csv", _csv(one), checksum=False)
            print(csv_folder / f"{one.name}.csv")
        return
    bold = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    print("\n\n".join(_text(one, *bold) for one in chosen))


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name or "agreement" for name in table.columns])
    writer.writerows(table.rows)
    return text.getvalue()


def _text(table: Table, bold: str, plain: str) -> str:
    """The table as text, with words left-aligned and numbers right-aligned."""
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    numeric = [table.numeric(number) for number in range(len(widths))]
    lines = [f"{bold}{table.title}{plain}  [{table.name}; {table.source}]", ""]
    for row in (table.columns, tuple("-" * width for width in widths), *table.rows):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    for note in table.notes:
        lines += ["", *textwrap.wrap(note, WIDTH)]
    return "\n".join(lines)
