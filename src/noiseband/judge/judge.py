"""One judging round: every question, all models' answers to it at once, in shuffled order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.files import read_jsonl, write_jsonl
from noiseband.judge.interface import Judge, Question
from noiseband.judge.reference import ReferenceJudge
from noiseband.randomness import derived_seed
from noiseband.study.config import Judge as JudgeConfig

Answers = Mapping[str, list[dict[str, Any]]]
"""Model, as `<run>/<seed>`, to the rows of its `answers.jsonl`."""

JUDGES: dict[str, type[Judge]] = {"reference": ReferenceJudge}
"""Judges by the `kind` that the config calls them."""


def judge_files(config: JudgeConfig, round: int, files: Sequence[Path], out: Path) -> None:
    """Judge files of answers, each at `<run>/ift/<protocol>/<seed>/answers.jsonl`, once.

    Raises UserError for a file elsewhere, two of one model, and questions that are not the same.
    """
    by_model: dict[str, Path] = {}
    for file in files:
        model = model_of(file)
        if model in by_model:
            raise UserError(f"{file}: model {model} is judged already: {by_model[model]}; drop one")
        by_model[model] = file
    write_jsonl(out, judge_round(read_answers(by_model), JUDGES[config.kind](), round))


def model_of(file: Path) -> str:
    """`<run>/<seed>` of `<run>/ift/<protocol>/<seed>/answers.jsonl`, or UserError."""
    match file.parts:
        case [*_, run, "ift", _, seed, _]:
            return f"{run}/{seed}"
    raise UserError(f"{file}: not at <run>/ift/<protocol>/<seed>/answers.jsonl; move it there")


def read_answers(files: Mapping[str, Path]) -> dict[str, list[dict[str, Any]]]:
    """Answers of several models to the same questions.

    Raises UserError, naming the first difference, where the questions are not the same.
    """
    answers = {model: read_jsonl(file) for model, file in files.items()}
    for model, rows in answers.items():
        first, expected = next(iter(answers.items()))
        remedy = f"answer the questions again with {first} and {model}"
        for i, (row, other) in enumerate(zip(rows, expected, strict=False)):
            for key in ("instruction", "input", "reference"):
                if row[key] != other[key]:
                    raise UserError(
                        f"{files[model]}: question {i}: {key} is {row[key]!r}, "
                        f"{first} has {other[key]!r}; {remedy}"
                    )
        if len(rows) != len(expected):
            raise UserError(
                f"{files[model]}: answers {len(rows)} questions, {first} {len(expected)}; {remedy}"
            )
    return answers


def judge_round(answers: Answers, judge: Judge, round: int) -> list[dict[str, Any]]:
    """One row for each question, ready to be written as JSONL.

    A row has `round`, `question` (index from 0), `instruction`, `input`, `reference`, `order` (the
    models as the judge saw their answers), `scores` (model to `score`, 0 to 100 or null where
    missing, and `reason`; in the order of `answers`) and `raw` (the judge's own reply).
    """
    rows = []
    for index, answered in enumerate(zip(*answers.values(), strict=True)):
        first = answered[0]
        question = Question(first["instruction"], first["input"], first["reference"])
        order = shuffled(list(answers), round, index)
        reply = judge.judge(question, [answers[model][index]["answer"] for model in order])
        scores = dict(zip(order, reply.scores, strict=True))
        rows.append(
            {
                "round": round,
                "question": index,
                **asdict(question),
                "order": order,
                "scores": {model: asdict(scores[model]) for model in answers},
                "raw": reply.raw,
            }
        )
    return rows


def shuffled(models: list[str], round: int, question: int) -> list[str]:
    """Models in an order of their own for each round and question.

    Sorted by hash, so the order they come in does not matter, and one model more moves no other.
    """
    return sorted(models, key=lambda model: derived_seed("judge", round, question, model))
