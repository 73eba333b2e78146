"""Rules of corpus.smk: raw text to tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, File, Folder, Out, ParamsText, parse
from noiseband.study import corpora, data_params


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
