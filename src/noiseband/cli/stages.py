"""One command for each rule of the workflow.

`--params` is the part of the resolved study that the stage depends on, as JSON: rules pass it, and
`snakemake -p` prints it, so any job can be run again by hand. Heavy imports stay inside the
commands: a job that needs no torch should not wait for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from noiseband.cli import app
from noiseband.errors import UserError
from noiseband.gpus import reserve
from noiseband.study import corpora, data_params, params
from noiseband.study.recipe import Section

ParamsText = Annotated[str, typer.Option("--params", help="The stage's params as JSON.")]
Out = Annotated[Path, typer.Option(help="Where the result goes.")]
Results = Annotated[Path, typer.Option(help="The study's results folder.")]
File = Annotated[Path, typer.Option(exists=True, dir_okay=False)]
Folder = Annotated[Path, typer.Option(exists=True, file_okay=False)]

PANEL = "Rules of the workflow"
Kind = TypeVar("Kind", bound=Section)


def parse(kind: type[Kind], text: str) -> Kind:
    """Params from JSON. Raises UserError naming the first field that does not fit."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise UserError(
            f"--params: {where}: {first['msg']}; copy it from `snakemake -p`"
        ) from error


@app.command(rich_help_panel=PANEL)
def corpus(params_text: ParamsText, out: Out) -> None:
    """Read documents from packages, the Hub or a folder into disjoint splits."""
    from noiseband.corpus.build import build_corpus

    build_corpus(parse(data_params.CorpusParams, params_text), out)


@app.command(rich_help_panel=PANEL)
def vocabulary(
    params_text: ParamsText,
    out: Out,
    text: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="Training split, where one is trained."),
    ] = None,
) -> None:
    """Train the vocabulary of a corpus, or write out a published one."""
    from noiseband.corpus.vocabulary import build_vocabulary

    given = parse(data_params.VocabularyParams, params_text)
    tokenizer = corpora.Tokenizer(kind=given.kind, vocabulary=given.vocabulary)
    build_vocabulary(tokenizer, text, out)


@app.command(rich_help_panel=PANEL)
def tokenize(
    params_text: ParamsText,
    corpus: Folder,
    vocabulary: File,
    out: Out,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; as many as there are cores by default.")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of finished shards while this runs; OUT/work by default."),
    ] = None,
) -> None:
    """Encode every split of a corpus.

    Example: `noiseband tokenize --params '{"tokens": null, "allow_special": false}'
    --corpus results/corpus/pocket --vocabulary results/tokens/pocket/vocabulary.tiktoken
    --out /tmp/tokens`

    The files do not depend on the number of workers. If it is killed, the same command goes on
    from the shards that are finished; they take as much room as the token files.
    """
    from noiseband.corpus import tokens
    from noiseband.corpus.shards import cores

    given = parse(data_params.TokenizeParams, params_text)
    tokens.tokenize(
        corpus, vocabulary, given.tokens, out, given.allow_special, workers or cores(), work
    )


@app.command(rich_help_panel=PANEL)
def fetch_tokens(params_text: ParamsText, vocabulary: File, out: Out) -> None:
    """Fetch token files that others made, and check them from end to end."""
    from noiseband.corpus import fetched_tokens

    fetched_tokens.fetch_tokens(parse(data_params.FetchTokensParams, params_text), vocabulary, out)


@app.command(rich_help_panel=PANEL)
def instructions(params_text: ParamsText, out: Out) -> None:
    """Collect instruction rows for fine-tuning, split by position."""
    from noiseband.corpus.instructions import build_instructions

    build_instructions(parse(data_params.InstructionsParams, params_text).instructions, out)


@app.command(rich_help_panel=PANEL)
def verify_init(
    params_text: ParamsText,
    out: Out,
    pairs: Annotated[Path, typer.Option(help="Table of what each two starting points share.")],
    digests: Annotated[list[Path], typer.Argument(exists=True)],
) -> None:
    """Tabulate which runs share initial weights; check reference weights against their digests."""
    from noiseband.repro.starts import verify_starts

    given = parse(params.StartsParams, params_text)
    for complaint in verify_starts(given, digests, out, pairs):
        print(complaint, file=sys.stderr)


@app.command(rich_help_panel=PANEL)
def pretrained(params_text: ParamsText, out: Out) -> None:
    """Fetch a model that others trained, and write it as a run's."""
    from noiseband.hub.pretrained import write_pretrained

    write_pretrained(parse(params.PretrainedParams, params_text), out)


@app.command(rich_help_panel=PANEL)
def evaluate(
    params_text: ParamsText, model: File, tokens: File, vocabulary: File, out: Out
) -> None:
    """Measure the test loss of a run."""
    given = parse(params.EvaluateParams, params_text)
    reserve(1, f"evaluate {out}")
    from noiseband.evaluate.loss import evaluate_file

    evaluate_file(given.model, given.attention, given.evaluation, model, tokens, vocabulary, out)


@app.command(rich_help_panel=PANEL)
def contamination(
    params_text: ParamsText,
    tokens: File,
    out: Out,
    training: Annotated[list[Path], typer.Argument(exists=True)],
) -> None:
    """Count what of a test window stands in the training tokens."""
    from noiseband.evaluate.contamination import contamination_file
    from noiseband.study.contamination import ContaminationParams

    contamination_file(parse(ContaminationParams, params_text), tokens, training, out)


@app.command(rich_help_panel=PANEL)
def finetune(
    params_text: ParamsText,
    seed: Annotated[int, typer.Option(help="Seed of the order of rows, dropout and adapters.")],
    model: File,
    vocabulary: File,
    rows: File,
    out: Out,
) -> None:
    """Fine-tune a run's model on instructions."""
    given = parse(params.FinetuneParams, params_text)
    reserve(1, f"finetune {out}")
    from noiseband.finetune.loop import finetune_file

    finetune_file(given.model, given.attention, given.protocol, seed, model, vocabulary, rows, out)


@app.command(rich_help_panel=PANEL)
def respond(params_text: ParamsText, model: File, vocabulary: File, rows: File, out: Out) -> None:
    """Answer the test questions with a fine-tuned model."""
    given = parse(params.RespondParams, params_text)
    reserve(1, f"respond {out}")
    from noiseband.finetune.respond import respond_file

    respond_file(given.model, given.attention, given.protocol, model, vocabulary, rows, out)


@app.command(rich_help_panel=PANEL)
def judge(
    params_text: ParamsText,
    round: Annotated[int, typer.Option(min=1, help="Number of the round, from 1.")],
    out: Out,
    answers: Annotated[list[Path], typer.Argument(exists=True)],
    store: Annotated[
        Path | None,
        typer.Option(help="Folder of requests and replies, for a judge that is a language model."),
    ] = None,
) -> None:
    """Score all models' answers, a question at a time.

    Example: `noiseband judge --params '{"judge": {"kind": "reference"}}' --round 1
    --out /tmp/round-1.jsonl results/runs/*/ift/early-stop/42/answers.jsonl`

    What a language model replied is stored, and never asked for twice: if judging stops (killed,
    no network, a budget spent: exit 2), the same command goes on.
    """
    from noiseband.judge.judge import judge_files

    given = parse(params.JudgeParams, params_text)
    judge_files(given.judge, round, answers, store, out)


@app.command(rich_help_panel=PANEL)
def verify_rerun(original: Path, rerun: Path, results: Results, out: Out) -> None:
    """Compare a run that was trained afresh with its original; the finding is the result."""
    reserve(1, f"verify-rerun {out}")  # where they part, both are trained anew
    from noiseband.repro import rerun as stage

    stage.verify_rerun(original, rerun, results, out)


@app.command(rich_help_panel=PANEL)
def manifest(
    results: Results,
    out: Out,
    artefacts: Annotated[list[Path], typer.Argument(exists=True)],
    judged: Annotated[
        list[Path], typer.Option(exists=True, help="A file that depends on a judge's replies.")
    ] = [],  # noqa: B006
) -> None:
    """Write the digest of every deterministic artefact."""
    from noiseband.repro.manifest import write_manifest

    write_manifest(results, artefacts, out, judged)


@app.command(rich_help_panel=PANEL)
def tables(params_text: ParamsText, results: Results) -> None:
    """Write the study's tables."""
    from noiseband.analysis.tables import write_tables
    from noiseband.published.comparison import write_comparison

    given = parse(params.TablesParams, params_text)
    write_tables(given, results)
    write_comparison(given, results)


@app.command(rich_help_panel=PANEL)
def figures(params_text: ParamsText, results: Results) -> None:
    """Draw the study's figures."""
    from noiseband.report.figures.write import write_figures

    write_figures(parse(params.TablesParams, params_text), results)
