"""Commands of evaluations.smk: further evaluations of a model."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, File, Folder, Out, ParamsText, parse
from noiseband.gpus import reserve
from noiseband.study.evaluation_params import EvaluationParams, ExportParams

Items = Annotated[Path, typer.Option(help="The Parquet file of results for each item to write.")]
Work = Annotated[Path, typer.Option(help="Folder for what is not finished yet.")]


@app.command(rich_help_panel=PANEL)
def export_model(params_text: ParamsText, model: File, vocabulary: File, out: Out) -> None:
    """Write a model as a GPT2LMHeadModel folder, for evaluations that read one."""
    given = parse(ExportParams, params_text)
    from noiseband.hub.export import write_export

    write_export(model, given.model, vocabulary, out)


@app.command(rich_help_panel=PANEL)
def evaluate_loss(
    params_text: ParamsText, model: File, tokens: File, vocabulary: File, out: Out, items: Items
) -> None:
    """Measure the loss of a model on any corpus."""
    given = parse(EvaluationParams, params_text)
    reserve(1, f"evaluate-loss {out}")
    from noiseband.evaluate.further_loss import further_loss
    from noiseband.evaluate.outcome import write_outcome

    write_outcome(given.name, "loss", further_loss(given, model, tokens, vocabulary), out, items)


@app.command(rich_help_panel=PANEL)
def evaluate_choice(
    params_text: ParamsText, model: File, vocabulary: File, work: Work, out: Out, items: Items
) -> None:
    """Let a model choose among continuations, or produce last words."""
    given = parse(EvaluationParams, params_text)
    given.check_files()
    reserve(1, f"evaluate-choice {out}")
    from noiseband.dag.code import code_digest
    from noiseband.evaluate.choice import choose_file
    from noiseband.evaluate.journal import Journal
    from noiseband.evaluate.outcome import write_outcome
    from noiseband.io.checksums import file_sha256

    deciding = params_text + file_sha256(model) + code_digest("evaluate.choice")
    journal = Journal(work, hashlib.sha256(deciding.encode()).hexdigest())
    outcome = choose_file(given, model, vocabulary, journal, _report)
    write_outcome(given.name, "choice", outcome, out, items)
    journal.remove()


def _report(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {of:,} continuations", end="", file=sys.stderr, flush=True)


@app.command(rich_help_panel=PANEL)
def evaluate_harness(params_text: ParamsText, model: Folder, out: Out, items: Items) -> None:
    """Run tasks of lm-evaluation-harness on an exported model."""
    given = parse(EvaluationParams, params_text)
    given.check_files()
    reserve(1, f"evaluate-harness {out}")
    from noiseband.evaluate.harness import run_harness
    from noiseband.evaluate.outcome import write_outcome

    write_outcome(given.name, "harness", run_harness(given, model), out, items)


@app.command(rich_help_panel=PANEL)
def evaluate_command(params_text: ParamsText, model: Folder, work: Work, out: Out) -> None:
    """Run a command of one's own on an exported model."""
    given = parse(EvaluationParams, params_text)
    given.check_files()
    if given.evaluation.gpu:
        reserve(1, f"evaluate-command {out}")
    from noiseband.evaluate.command import run_command
    from noiseband.evaluate.outcome import write_outcome

    write_outcome(given.name, "command", run_command(given, model, work), out, None)
