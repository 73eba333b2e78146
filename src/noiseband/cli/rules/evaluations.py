"""Commands of evaluations.smk: further evaluations of a model."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, File, Out, ParamsText, Shape, model_of, parse
from noiseband.gpus import reserve
from noiseband.study.evaluation_params import EvaluationParams

Items = Annotated[Path, typer.Option(help="The Parquet file of results for each item to write.")]
ItemsIfAny = Annotated[
    Path | None,
    typer.Option(help="The Parquet file of results for each item to write, if there are any."),
]
Exported = Annotated[
    Path, typer.Option(exists=True, help="The model's weights, or the folder with its export.")
]
Vocabulary = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="The vocabulary of a model that is to be exported."
    ),
]
Work = Annotated[Path, typer.Option(help="Folder for what is not finished yet.")]


@app.command(rich_help_panel=PANEL)
def evaluate_loss(
    params_text: ParamsText,
    model: File,
    tokens: File,
    vocabulary: File,
    out: Out,
    items: Items,
    fields: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="Fields of the split's documents."),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Documents of the split, for a loss in bits per byte.",
        ),
    ] = None,
) -> None:
    """Measure the loss of a model on any corpus."""
    given = parse(EvaluationParams, params_text)
    reserve(1, f"evaluate-loss {out}")
    from noiseband.evaluate.further_loss import further_loss
    from noiseband.evaluate.outcome import write_outcome

    outcome = further_loss(given, model, tokens, vocabulary, fields, texts)
    write_outcome(given.name, "loss", outcome, out, items)


@app.command(rich_help_panel=PANEL)
def evaluate_choice(
    params_text: ParamsText,
    model: File,
    vocabulary: File,
    work: Work,
    out: Out,
    items: Items,
    shape: Shape = None,
) -> None:
    """Let a model choose among continuations, or produce last words."""
    given = parse(EvaluationParams, params_text)
    given.check_files()
    given = given.model_copy(update={"model": model_of(given.model, shape)})
    reserve(1, f"evaluate-choice {out}")
    from noiseband.dag.code import code_digest
    from noiseband.evaluate.choice import choose_file
    from noiseband.evaluate.journal import Journal
    from noiseband.evaluate.outcome import write_outcome
    from noiseband.io.checksums import file_sha256

    deciding = given.text + file_sha256(model) + code_digest("evaluate.choice")
    journal = Journal(work, hashlib.sha256(deciding.encode()).hexdigest())
    outcome = choose_file(given, model, vocabulary, journal, _report)
    write_outcome(given.name, "choice", outcome, out, items)
    journal.remove()


def _report(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {of:,} continuations", end="", file=sys.stderr, flush=True)


@app.command(rich_help_panel=PANEL)
def evaluate_harness(
    params_text: ParamsText,
    model: Exported,
    work: Work,
    out: Out,
    items: Items,
    vocabulary: Vocabulary = None,
) -> None:
    """Run tasks of lm-evaluation-harness on a model, which is exported for them."""
    given = parse(EvaluationParams, params_text)
    given.check_files()
    reserve(1, f"evaluate-harness {out}")
    from noiseband.evaluate.harness import check_installed, run_harness
    from noiseband.evaluate.outcome import write_outcome

    check_installed(given.name)
    with _exported(given, model, vocabulary, work) as folder:
        outcome = run_harness(given, folder)
    write_outcome(given.name, "harness", outcome, out, items)


@app.command(rich_help_panel=PANEL)
def evaluate_command(
    params_text: ParamsText,
    model: Exported,
    work: Work,
    out: Out,
    items: ItemsIfAny = None,
    vocabulary: Vocabulary = None,
) -> None:
    """Run a command of one's own on a model, which is exported for it."""
    given = parse(EvaluationParams, params_text)
    given.check_files()
    if given.evaluation.gpu:
        reserve(1, f"evaluate-command {out}")
    from noiseband.evaluate.command import run_command
    from noiseband.evaluate.outcome import write_outcome

    with _exported(given, model, vocabulary, work) as folder:
        outcome = run_command(given, folder, work / "out")
    write_outcome(given.name, "command", outcome, out, items)


@app.command(rich_help_panel=PANEL)
def average_evaluation(
    out: Out,
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, help="Metrics of each snapshot, each followed by its items."),
    ],
    items: ItemsIfAny = None,
) -> None:
    """Average an evaluation over snapshots of a run."""
    from noiseband.evaluate.mean import average_files

    if items is None:
        average_files(files, [], out, None)
    else:
        average_files(files[::2], files[1::2], out, items)


@app.command(rich_help_panel=PANEL)
def average_weights(
    out: Annotated[Path, typer.Option(help="The file of weights to write.")],
    files: Annotated[list[Path], typer.Argument(exists=True, help="The weights of each snapshot.")],
) -> None:
    """Average the weights of several snapshots of a run."""
    from noiseband.train.mean_weights import write_mean

    write_mean(files, out)


@contextmanager
def _exported(
    given: EvaluationParams, model: Path, vocabulary: Path | None, work: Path
) -> Iterator[Path]:
    """The folder of a model's export, which is there within the context. Without a vocabulary it is
    `model` itself."""
    from noiseband.hub.export import write_export

    try:
        if vocabulary is None:
            yield model
        else:
            write_export(model, given.network, vocabulary, work / "model")
            yield work / "model"
    finally:
        shutil.rmtree(work, ignore_errors=True)
