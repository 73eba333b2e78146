"""`noiseband verdicts`: did it help, or is it noise? For runs that anyone trained."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, Config
from noiseband.errors import UserError

if TYPE_CHECKING:
    from noiseband.referee.answer import Answer, Question

NARROWEST = 60
WITHOUT_TERMINAL = 80
"""Width of the table if standard output is a file or a pipe."""


class Format(StrEnum):
    """How the verdicts are written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


@app.command()
def verdicts(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="CSV, JSON lines, Parquet, trainer_state.json, TensorBoard, trackio, W&B exports, "
            "lm-eval results, logs (with --pattern), a study's results; `-` is standard input.",
            show_default="this study",
        ),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="The arm that the others are compared with.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Column to judge; may be given several times.")
    ] = None,
    better: Annotated[
        str | None, typer.Option(help="`lower` or `higher`, if the metric's name does not say.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="Compare the mean of each arm with this number.")
    ] = None,
    margin: Annotated[
        str | None, typer.Option(help="The smallest difference that matters: 0.002, or 1%.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Probability of any false alarm.")] = 0.05,
    family: Annotated[
        int | None, typer.Option(help="Number of comparisons that were really made.")
    ] = None,
    arm: Annotated[str | None, typer.Option(help="Column of the arm.")] = None,
    arm_from_path: Annotated[
        str | None,
        typer.Option(help="Find arm and seed in paths, as in 'runs/{arm}-s{seed}/*'."),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="Of logs: a regular expression such as 'val_loss:(?P<loss>[0-9.]+)'."),
    ] = None,
    take: Annotated[
        str, typer.Option(help="Of several steps of a run: last, best, or mean:K of the last K.")
    ] = "last",
    format: Annotated[Format, typer.Option(help="How to write the verdicts.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option(help="File to write; default: the terminal.")] = None,
    fail_on: Annotated[
        list[str] | None, typer.Option(help="Exit with 1 if any arm has this verdict.")
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(help="Exit with 1 unless every arm has this verdict.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Judge measurements of anyone's runs: effects, intervals and verdicts.

    Example: `noiseband verdicts losses.csv --baseline main`

    Without files, it shows the verdicts of the study of --config, also while it runs.
    """
    from noiseband.referee.answer import Question
    from noiseband.referee.gates import failures

    question = Question(baseline, better, margin, alpha, family, target)
    source = Files(files or [], metric or [], arm, arm_from_path, pattern, take)
    if files:
        found = source.answer(question)
    elif question == Question() and source == Files():
        found = _of_config(config)
    else:
        raise UserError(
            "FILE is missing: name the files with measurements, or leave out the other options for "
            "the verdicts of the study of --config"
        )
    text = _written(found, format, sys.stdout.isatty() and out is None)
    if out is None:
        print(text)
    else:
        from noiseband.io.files import write_text

        write_text(out, text + "\n", checksum=False)
        print(out)
    closed = failures(found, fail_on or [], require or [])
    for sentence in closed:
        print(f"noiseband: {sentence}", file=sys.stderr)
    if closed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Files:
    """What to read, and how."""

    files: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    arm: str | None = None
    arm_from_path: str | None = None
    pattern: str | None = None
    take: str = "last"

    def answer(self, question: Question) -> Answer:
        from noiseband.referee.answer import answer
        from noiseband.referee.columns import Choice, measurements
        from noiseband.referee.paths import with_path_fields
        from noiseband.referee.readers import read

        raws = [raw for file in self.files for raw in read(file, self.pattern)]
        if self.arm_from_path is not None:
            raws = [with_path_fields(raw, self.arm_from_path) for raw in raws]
        choice = Choice(
            self.metrics, self.arm, self.take, question.better, needs_arm=question.target is None
        )
        return answer(measurements(raws, choice), question)


def _of_config(config: Path) -> Answer:
    from noiseband.referee.study import of_study
    from noiseband.study import load_study

    return of_study(load_study(config))


def _written(found: Answer, format: Format, terminal: bool) -> str:
    """The answer in a format."""
    if format == Format.TEXT:
        from noiseband.referee.show.text import as_text

        width = shutil.get_terminal_size().columns if terminal else WITHOUT_TERMINAL
        colour = terminal and not os.environ.get("NO_COLOR")
        ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
        return as_text(found, max(NARROWEST, width), colour, ascii)
    if format == Format.HTML:
        # Imported here because charts take longer to import than all the rest.
        from noiseband.referee.show.html import as_page

        return as_page(found)
    from noiseband.referee.show import machine, markdown

    others: dict[Format, Callable[[Answer], str]] = {
        Format.MARKDOWN: markdown.as_markdown,
        Format.JSON: machine.as_json,
        Format.CSV: machine.as_csv,
    }
    return others[format](found)
