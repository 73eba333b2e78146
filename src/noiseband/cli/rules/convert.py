"""Commands of convert.smk: a command's exported models, in the form that fine-tuning reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, File, Folder, Out, ParamsText, parse
from noiseband.study import data_needs


@app.command(rich_help_panel=PANEL)
def convert_export(export: Folder, out: Out) -> None:
    """Convert an exported model and its tokenizer to a model that can be fine-tuned."""
    from noiseband.hub.convert import write_converted

    write_converted(export, out)


@app.command(rich_help_panel=PANEL)
def check_export(
    params_text: ParamsText,
    shape: File,
    vocabulary: File,
    out: Out,
    rows: Annotated[list[Path] | None, typer.Argument(exists=True, dir_okay=False)] = None,
) -> None:
    """Check that instruction rows fit into an exported model, before it is fine-tuned."""
    from noiseband.repro.data_check import check_export_files

    needs = parse(data_needs.ExportNeeds, params_text)
    check_export_files(needs, shape, vocabulary, rows or [], out)
