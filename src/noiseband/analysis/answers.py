"""Every judged answer in one tidy table: a row for each question, model, protocol and round.

The table is Parquet, not CSV: a missing number stays missing, an answer keeps its line breaks, and
an answer that begins with `=` is text in every program that opens the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from noiseband.analysis.scores import judge_rounds, split_model
from noiseband.analysis.sources import json_lines
from noiseband.errors import UserError, run_command
from noiseband.io.files import atomic
from noiseband.study.paths import Paths


@dataclass(frozen=True)
class AnswerRow:
    """One model's answer to a question, and the judge's score and reason in one round."""

    protocol: str
    round: int
    question: int
    """Index among the test questions, from 0."""
    instruction: str
    input: str
    reference: str
    run: str
    seed: int
    """Seed of the fine-tuning."""
    place: int
    """Position of the answer among those of all models, as the judge saw them, from 0."""
    answer: str
    tokens: int
    """Tokens generated, without end-of-text."""
    stop: str
    score: float | None
    """Score from 0 to 100; None if it is missing, which is not zero."""
    reason: str


_TYPES = {"int": pa.int64(), "str": pa.string(), "float | None": pa.float64()}
SCHEMA = pa.schema([(field.name, _TYPES[str(field.type)]) for field in fields(AnswerRow)])


def write_answers(path: Path, results: Path, models: Sequence[str]) -> None:
    """Write `answers.parquet` for the judged models, each named `<run>/<protocol>/<seed>`.

    Rows keep the given order of protocols, rounds, questions and models; equal files give equal
    bytes.
    """
    records = [
        {key: _text(value) if isinstance(value, str) else value for key, value in row.items()}
        for row in map(asdict, answer_rows(results, models))
    ]
    with atomic(path) as temporary:
        table = pa.Table.from_pylist(records, schema=SCHEMA)
        pq.write_table(table, temporary, compression="zstd")


def answer_rows(results: Path, models: Iterable[str]) -> Iterator[AnswerRow]:
    """The rows of `answers.parquet`.

    Raises UserError if a file is missing or a round judged a question without an answer.
    """
    split = [split_model(model) for model in models]
    for protocol in dict.fromkeys(protocol for _, protocol, _ in split):
        mine = [(run, seed) for run, other, seed in split if other == protocol]
        answers = {
            (run, seed): json_lines(Paths(results).finetuned(run, protocol, seed) / "answers.jsonl")
            for run, seed in mine
        }
        for line in judge_rounds(results, protocol):
            for run, seed in mine:
                if f"{run}/{seed}" in line["scores"]:
                    yield _row(protocol, line, run, seed, answers[run, seed])


def _row(
    protocol: str, line: Mapping[str, Any], run: str, seed: int, answers: Sequence[dict[str, Any]]
) -> AnswerRow:
    model, question = f"{run}/{seed}", line["question"]
    if question >= len(answers):
        raise UserError(
            f"judge/{protocol}: round {line['round']} judged question {question}, but {model} has "
            f"{len(answers)} answers; judge again: {run_command(options='-R judge')}"
        )
    given, answer = line["scores"][model], answers[question]
    return AnswerRow(
        protocol=protocol,
        round=line["round"],
        question=question,
        instruction=answer["instruction"],
        input=answer["input"],
        reference=answer["reference"],
        run=run,
        seed=seed,
        place=line["order"].index(model),
        answer=answer["answer"],
        tokens=answer["tokens"],
        stop=answer["stop"],
        score=None if given["score"] is None else float(given["score"]),
        reason=given["reason"],
    )


def _text(text: str) -> str:
    """The text with halves of surrogate pairs, which UTF-8 cannot encode, replaced by U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)
