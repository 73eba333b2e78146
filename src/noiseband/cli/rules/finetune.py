"""Commands of finetune.smk: fine-tuning, and the answers of fine-tuned models."""

from __future__ import annotations

from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, File, Out, ParamsText, Shape, model_of, parse
from noiseband.gpus import reserve
from noiseband.study import params


@app.command(rich_help_panel=PANEL)
def finetune(
    params_text: ParamsText,
    seed: Annotated[
        int, typer.Option(help="Seed for the order of the rows, dropout and adapters.")
    ],
    model: File,
    vocabulary: File,
    rows: File,
    out: Out,
    shape: Shape = None,
) -> None:
    """Fine-tune a run's model on instructions."""
    given = parse(params.FinetuneParams, params_text)
    reserve(1, f"finetune {out}")
    from noiseband.finetune.console import Console
    from noiseband.finetune.loop import finetune_file

    protocol = given.protocol
    console = Console(f"{model}  seed {seed}", protocol.epochs)
    finetune_file(
        model_of(given.model, shape),
        given.attention,
        protocol,
        seed,
        model,
        vocabulary,
        rows,
        out,
        console,
    )


@app.command(rich_help_panel=PANEL)
def respond(
    params_text: ParamsText,
    model: File,
    vocabulary: File,
    rows: File,
    out: Out,
    shape: Shape = None,
) -> None:
    """Answer the test questions with a fine-tuned model."""
    given = parse(params.RespondParams, params_text)
    reserve(1, f"respond {out}")
    from noiseband.finetune.console import AnswerConsole
    from noiseband.finetune.respond import respond_file

    report = AnswerConsole(str(model))
    network = model_of(given.model, shape)
    respond_file(network, given.attention, given.protocol, model, vocabulary, rows, out, report)
