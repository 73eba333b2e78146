"""Commands of corpus.smk: from raw text to tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import PANEL, File, Folder, Out, ParamsText, parse
from noiseband.study import corpora, data_needs, data_params

Work = Annotated[
    Path | None,
    typer.Option(help="Folder for what a killed start leaves to the next; default: in OUT."),
]


@app.command(rich_help_panel=PANEL)
def corpus(params_text: ParamsText, out: Out, work: Work = None) -> None:
    """Read documents from packages, the Hub or a folder into disjoint splits."""
    from noiseband.corpus.build import build_corpus
    from noiseband.terminal import tell

    build_corpus(parse(data_params.CorpusParams, params_text), out, tell, work)


@app.command(rich_help_panel=PANEL)
def document_fields(params_text: ParamsText, documents: File, out: Out) -> None:
    """Read the fields of the documents of a split, by which a loss is sliced."""
    from noiseband.corpus.fields import write_fields

    given = parse(data_params.FieldsParams, params_text)
    write_fields(given.sources, given.fields, documents, out)


@app.command(rich_help_panel=PANEL)
def vocabulary(
    params_text: ParamsText,
    out: Out,
    source: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="Training split, if the vocabulary is trained, or the vocabulary that it is like.",
        ),
    ] = None,
) -> None:
    """Train the vocabulary of a corpus, or write a published one, or another corpus's."""
    from noiseband.corpus.vocabulary import build_vocabulary, copy_vocabulary

    given = parse(data_params.VocabularyParams, params_text)
    tokenizer = corpora.Tokenizer(kind=given.kind, vocabulary=given.vocabulary)
    if given.like is not None and source is not None:
        copy_vocabulary(tokenizer, source, out)
    else:
        build_vocabulary(tokenizer, source, out)


@app.command(rich_help_panel=PANEL)
def tokenize(
    params_text: ParamsText,
    corpus: Folder,
    vocabulary: File,
    out: Out,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of threads; default: the number of cores.")
    ] = None,
    work: Work = None,
) -> None:
    """Encode every split of a corpus.

    Example: `noiseband tokenize --params '{"tokens": null, "allow_special": false}'
    --corpus results/corpus/pocket --vocabulary results/tokens/pocket/vocabulary.tiktoken
    --out /tmp/tokens`

    The files do not depend on the number of workers. If the command is killed, running it again
    resumes from the finished shards, which take as much space as the token files.
    """
    from noiseband.corpus import tokens
    from noiseband.corpus.shards import cores

    given = parse(data_params.TokenizeParams, params_text)
    tokens.tokenize(
        corpus, vocabulary, given.tokens, out, given.allow_special, workers or cores(), work
    )


@app.command(rich_help_panel=PANEL)
def fetch_tokens(params_text: ParamsText, vocabulary: File, out: Out) -> None:
    """Fetch token files that others made, and check every token."""
    from noiseband.corpus import fetched_tokens

    fetched_tokens.fetch_tokens(parse(data_params.FetchTokensParams, params_text), vocabulary, out)


@app.command(rich_help_panel=PANEL)
def check_data(
    params_text: ParamsText,
    card: File,
    vocabulary: File,
    out: Out,
    rows: Annotated[list[Path] | None, typer.Argument(exists=True, dir_okay=False)] = None,
    sliced: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Of each split with slices: its tokens, then its documents' fields.",
        ),
    ] = None,
) -> None:
    """Check that a corpus and instruction rows have what the study needs, before it trains."""
    from noiseband.repro.data_check import check_data_files

    needs = parse(data_needs.DataNeeds, params_text)
    check_data_files(needs, card, vocabulary, rows or [], out, sliced or [])
