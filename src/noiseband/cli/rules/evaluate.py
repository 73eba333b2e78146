"""Commands of evaluate.smk: test losses and contamination."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, File, Out, ParamsText, parse
from noiseband.gpus import reserve
from noiseband.study import params


@app.command(rich_help_panel=PANEL)
def evaluate(
    params_text: ParamsText,
    model: File,
    tokens: File,
    vocabulary: File,
    out: Out,
    documents: Annotated[Path, typer.Option(help="The CSV file of documents' losses to write.")],
    texts: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="Documents of the split, for a loss in bits per byte.",
        ),
    ] = None,
) -> None:
    """Measure the test loss of a run, and its loss on each document."""
    given = parse(params.EvaluateParams, params_text)
    reserve(1, f"evaluate {out}")
    from noiseband.evaluate.loss import evaluate_file

    inputs = (model, tokens, vocabulary)
    evaluate_file(given.model, given.attention, given.evaluation, *inputs, out, documents, texts)


@app.command(rich_help_panel=PANEL)
def contamination(
    params_text: ParamsText,
    tokens: File,
    out: Out,
    training: Annotated[list[Path], typer.Argument(exists=True)],
    vocabulary: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The vocabulary, if only its file says which id ends a document.",
        ),
    ] = None,
) -> None:
    """Measure how much of a test window occurs in the training tokens."""
    from noiseband.evaluate.contamination import contamination_file
    from noiseband.study.contamination import ContaminationParams

    contamination_file(parse(ContaminationParams, params_text), tokens, training, out, vocabulary)
