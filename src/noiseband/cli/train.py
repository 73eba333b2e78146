"""`noiseband train`, which a rule also calls."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import (
    DEFAULT_CONFIG,
    Config,
    RuleParams,
    RunName,
    find_run,
    made,
    parse,
)
from noiseband.errors import UserError
from noiseband.study import load_study, params
from noiseband.train.launch.run import Launch, run_processes

if TYPE_CHECKING:
    from noiseband.train.launch.processes import Processes


@app.command()
def train(
    config: Config = DEFAULT_CONFIG,
    run: RunName = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the model and its trace.")] = None,
    params_text: RuleParams = None,
    tokens: Annotated[Path | None, typer.Option(help="Training split, tokenised.")] = None,
    vocabulary: Annotated[Path | None, typer.Option(help="Vocabulary of the tokens.")] = None,
    init: Annotated[Path | None, typer.Option(help="Initial weights.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder for checkpoints.")] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            help="URI of a copy of --work, such as s3://bucket/folder, from which another machine "
            "can resume. Default: under $NOISEBAND_CHECKPOINTS, if that is set."
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes: a power of two that divides the slots.", show_default="1"
        ),
    ] = None,
) -> None:
    """Train one run, resuming from its newest checkpoint.

    Example: `noiseband train --run baseline-1 --out /tmp/baseline-1`

    Outside the workflow, the study's tokens and initial weights must exist already. If they do not,
    the error message says how to make them.
    """
    if out is None:
        raise UserError("--out is missing: give a folder for model.safetensors and the trace")
    if params_text is not None:
        given = parse(params.TrainParams, params_text)
    else:
        study = load_study(config)
        given = params.TrainParams.of(study, find_run(study, run))
        corpus = given.recipe.data.corpus
        tokens = tokens or made(study.paths.training_tokens(corpus, given.recipe.packed))
        vocabulary = vocabulary or made(study.paths.vocabulary(corpus))
        init = init or made(study.start_file(study.runs[given.run]))
        work = work or out / "work"
    if tokens is None or vocabulary is None or init is None or work is None:
        raise UserError("--params also needs --tokens, --vocabulary, --init and --work")
    job = Launch(given, tokens, vocabulary, init, work, out, checkpoints)
    sys.exit(run_processes(job, processes, sys.argv[1:], lambda group: _provenance(job, group)))


def _provenance(job: Launch, group: Processes) -> None:
    """Write the run's provenance. Only the first process calls this."""
    from noiseband.repro.provenance import write_provenance
    from noiseband.train.segments import segments_of

    inputs = {"tokens": job.tokens, "vocabulary": job.vocabulary, "init": job.init}
    segments = segments_of(job.work, job.params.recipe.steps)
    write_provenance(job.out, job.params, inputs, group.device, group.count, segments)
