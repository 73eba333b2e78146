"""Commands of instructions.smk: rows for fine-tuning, and questions that models saw before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, File, Out, ParamsText, parse
from noiseband.study import data_params


@app.command(rich_help_panel=PANEL)
def instructions(params_text: ParamsText, out: Out) -> None:
    """Collect instruction rows for fine-tuning, split by position."""
    from noiseband.corpus.instructions import build_instructions
    from noiseband.terminal import tell

    build_instructions(parse(data_params.InstructionsParams, params_text).instructions, out, tell)


@app.command(rich_help_panel=PANEL)
def seen_questions(
    params_text: ParamsText,
    rows: File,
    out: Out,
    training: Annotated[
        list[Path] | None,
        typer.Argument(exists=True, help="A token file and its vocabulary for each segment."),
    ] = None,
) -> None:
    """Count the test and validation questions that are in training rows or training text."""
    from noiseband.evaluate.seen_questions import seen_questions_file
    from noiseband.study.seen_questions import SeenQuestionsParams

    files = training or []
    pairs = list(zip(files[::2], files[1::2], strict=True))
    seen_questions_file(parse(SeenQuestionsParams, params_text), rows, pairs, out)
