"""Find what would stop training, evaluation or fine-tuning, before anything trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.vocabulary import Encoding, load_encoding
from noiseband.errors import UserError
from noiseband.evaluate.questions import read_questions
from noiseband.evaluate.slices import window_slices
from noiseband.evaluate.window import window_targets
from noiseband.finetune.prompts import tokens_before_answer
from noiseband.finetune.rows import read_rows
from noiseband.io.files import read_json, write_json
from noiseband.study.data_needs import (
    DataNeeds,
    ExportNeeds,
    FurtherWindow,
    Prompts,
    TestWindow,
)
from noiseband.study.evaluations import Evaluation

SHOWN = 5
"""The number of rows or runs that a message names; the others are only counted."""


def check_data_files(
    needs: DataNeeds,
    card: Path,
    vocabulary: Path,
    rows: Sequence[Path],
    out: Path,
    sliced: Sequence[Path] = (),
    packed: Sequence[Path] = (),
) -> None:
    """Call `problems` for a corpus, and write the numbers of tokens of its splits as JSON.

    Args:
        card: the card of the corpus's tokens.
        vocabulary: its rank file.
        rows: a file for each of `needs.rows`.
        sliced: for each of `needs.sliced`, its tokens and then its documents' fields.
        packed: for each of `needs.packed`, the card of the packed sequences.

    Raises UserError with all problems in one line.
    """
    sizes = read_json(card)["splits"]
    tokens = {name: split["tokens"] for name, split in sizes.items()}
    files = dict(zip(needs.rows, rows, strict=True))
    splits = dict(zip(needs.sliced, zip(sliced[::2], sliced[1::2], strict=True), strict=True))
    cards = zip(needs.packed, map(read_json, packed), strict=True)
    rooms = {context: one["tokens"] for context, one in cards}
    found = list(problems(needs, tokens, load_encoding(vocabulary), files, splits, rooms))
    found += _lost_text(needs, sizes)
    if found:
        raise UserError("; and ".join(found))
    write_json(out, {"tokens": tokens})


def check_export_files(
    needs: ExportNeeds, shape: Path, vocabulary: Path, rows: Sequence[Path], out: Path
) -> None:
    """Check that every prompt fits into an exported model, and write the model's context as JSON.

    Args:
        shape: the converted model's `shape.json`.
        vocabulary: its rank file.
        rows: a file for each of `needs.rows`.

    Raises UserError with all problems in one line.
    """
    context = read_json(shape)["context"]
    prompts = [one.model_copy(update={"context": context}) for one in needs.prompts]
    files = dict(zip(needs.rows, rows, strict=True))
    found = list(_prompts_that_cannot(prompts, load_encoding(vocabulary), files))
    if found:
        raise UserError("; and ".join(found))
    write_json(out, {"context": context})


def problems(
    needs: DataNeeds,
    tokens: Mapping[str, int],
    encoding: Encoding,
    rows: Mapping[str, Path],
    sliced: Mapping[str, tuple[Path, Path]],
    packed: Mapping[int, int] | None = None,
) -> Iterator[str]:
    """Yield a message for each thing that the study needs and the data do not have.

    Args:
        tokens: number of tokens of each split.
        rows: file of each set of instruction rows.
        sliced: tokens and documents' fields of each split with slices.
        packed: number of tokens of the packed sequences for each context.
    """
    yield from _other_ids(needs, encoding)
    yield from _short_training(needs, None, tokens["train"])
    for context, there in (packed or {}).items():
        yield from _short_training(needs, context, there)
    there = tokens[needs.evaluation.split]
    yield from _short_windows("evaluation", needs.evaluation, needs.windows, needs.corpus, there)
    for further in needs.further:
        there = tokens[further.evaluation.split]
        short = list(
            _short_windows(further.key, further.evaluation, further.windows, needs.corpus, there)
        )
        yield from short
        if further.evaluation.by is not None and not short:
            files = sliced[further.evaluation.split]
            yield from _empty_slices(further, needs.corpus, encoding.eot_token, *files)
    for one in needs.choices:
        try:
            read_questions(one.choice, encoding, one.context)
        except UserError as error:
            yield f"{one.key}: {error}"
    yield from _prompts_that_cannot(needs.prompts, encoding, rows)


def _prompts_that_cannot(
    needed: Sequence[Prompts], encoding: Encoding, rows: Mapping[str, Path]
) -> Iterator[str]:
    for prompts in needed:
        yield from _prompts_without_room(prompts, rows[prompts.rows], encoding)
        if prompts.method == "lora" and find_spec("peft") is None:
            yield (
                f"finetuning.protocols.{prompts.protocol}.method: lora needs the package peft; run "
                "`pip install 'noiseband[lora]'`"
            )


def _other_ids(needs: DataNeeds, encoding: Encoding) -> Iterator[str]:
    for one in needs.ids:
        if one.vocabulary != encoding.n_vocab:
            yield (
                f"recipe.model.vocabulary={one.vocabulary}: the tokenizer of corpus {needs.corpus} "
                f"has {encoding.n_vocab} ids (run {one.run}); write {encoding.n_vocab}"
            )
        if one.end_of_text not in (None, encoding.eot_token):
            yield (
                f"recipe.model.attention.end_of_text={one.end_of_text}: the end of text of corpus "
                f"{needs.corpus} is {encoding.eot_token} (run {one.run}); write that"
            )


def _short_training(needs: DataNeeds, packed: int | None, there: int) -> Iterator[str]:
    beyond = [one for one in needs.reading if one.packed == packed and one.last_token > there]
    if beyond:
        named = [f"{one.run} reads to token {one.last_token:,}" for one in beyond]
        split = f"the training split of corpus {needs.corpus} has"
        if packed is not None:
            split = f"the sequences packed from corpus {needs.corpus} for context {packed:,} have"
        yield (
            f"data.train_tokens: {split} {there:,} tokens, but {_some(named)}; lower it, raise "
            "data.epochs, or give the corpus more text"
        )


def _lost_text(needs: DataNeeds, sizes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Bits per byte count all bytes of a document, also those that have no token."""
    own = [("evaluation", needs.evaluation)] if needs.windows else []
    for key, evaluation in [*own, *((one.key, one.evaluation) for one in needs.further)]:
        size = sizes[evaluation.split]
        if evaluation.in_bits and (lost := size.get("unknown", 0)):
            yield (
                f"{key}.unit: {evaluation.unit}: the tokenizer of corpus {needs.corpus} does not "
                f"know all text in {lost:,} of {size['documents']:,} documents of its "
                f"{evaluation.split} split, and what it loses would cost nothing; give it a "
                "tokenizer that spells what it does not know in bytes (byte-level, byte_fallback)"
            )


def _short_windows(
    key: str, evaluation: Evaluation, windows: Sequence[TestWindow], corpus: str, there: int
) -> Iterator[str]:
    for window in windows:
        try:
            window_targets(there, evaluation, window.context)
        except UserError as error:
            said = str(error).replace("evaluation.", f"{key}.")
            yield f"{said} (corpus {corpus}, model {window.model})"
            return


def _empty_slices(
    further: FurtherWindow, corpus: str, end_of_text: int, tokens: Path, fields: Path
) -> Iterator[str]:
    for one in further.windows:
        split = open_tokens(tokens)
        try:
            window_slices(further.key, further.evaluation, one.context, split, end_of_text, fields)
        except UserError as error:
            yield f"{error} (corpus {corpus}, model {one.model})"
            return


def _prompts_without_room(prompts: Prompts, file: Path, encoding: Encoding) -> Iterator[str]:
    assert prompts.context is not None  # an export's is read from its shape
    rows, context = read_rows(file), prompts.context
    needed = [(row, tokens_before_answer(row, encoding, prompts.template)) for row in rows]
    long = [(row, tokens) for row, tokens in needed if tokens > context]
    if long:
        named = [f"row {row.number} has {tokens:,}" for row, tokens in long]
        template = prompts.template if isinstance(prompts.template, str) else "of the config"
        yield (
            f"finetuning.instructions.{prompts.rows}: {len(long):,} of {len(rows):,} prompts "
            f"leave no room for an answer in the context of {context:,} tokens of "
            f"{prompts.model} (template {template}): {_some(named)}; look them up in {file}, and "
            "shorten or remove them, or choose a shorter template"
        )


def _some(named: Sequence[str]) -> str:
    more = f" and {len(named) - SHOWN:,} more" if len(named) > SHOWN else ""
    return ", ".join(named[:SHOWN]) + more
