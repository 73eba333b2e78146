"""A few questions with the answers of several models side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from noiseband.analysis.scores import judge_rounds
from noiseband.analysis.sources import lines_if_any
from noiseband.analysis.tuning_rows import FinetuningRow
from noiseband.study.paths import Paths

SHOWN = 9
"""Answers of a question shown at once; the others are folded."""


@dataclass(frozen=True)
class Answer:
    """One model's answer to one question."""

    run: str
    seed: int
    text: str
    score: float | None
    """Score of the first judging round."""
    reason: str


@dataclass(frozen=True)
class Question:
    """A question, its reference answer and the models' answers."""

    why: str
    """Why this question was chosen."""
    instruction: str
    input: str
    reference: str
    answers: list[Answer]
    """Best score first."""
    folded: list[Answer]


def questions(results: Path, protocol: str, models: Sequence[FinetuningRow]) -> list[Question]:
    """The question with the best answers, the one where models differ most, and the worst one."""
    models = [model for model in models if model.protocol == protocol]
    rounds = judge_rounds(results, protocol)
    first = [line for line in rounds if line["round"] == rounds[0]["round"]]
    texts = {model: answers_of(results, model) for model in models}
    return [_question(why, line, texts) for why, line in _chosen(first)]


def _chosen(lines: Sequence[dict[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
    scored = {
        line["question"]: given
        for line in lines
        if (given := [s["score"] for s in line["scores"].values() if s["score"] is not None])
    }
    by_number = {line["question"]: line for line in lines}
    ways = {
        "Where the models differ most": lambda number: max(scored[number]) - min(scored[number]),
        "Answered best": lambda number: fmean(scored[number]),
        "Answered worst": lambda number: -fmean(scored[number]),
    }
    taken: set[int] = set()
    for why, key in ways.items():
        left = [number for number in scored if number not in taken]
        if left:
            taken.add(chosen := max(left, key=key))
            yield why, by_number[chosen]


def _question(
    why: str, line: dict[str, Any], texts: dict[FinetuningRow, list[dict[str, Any]]]
) -> Question:
    answers = []
    for model, rows in texts.items():
        given = line["scores"].get(f"{model.run}/{model.seed}")
        if given is not None and line["question"] < len(rows):
            text = rows[line["question"]]["answer"]
            answers.append(Answer(model.run, model.seed, text, given["score"], given["reason"]))
    answers.sort(key=lambda answer: -1.0 if answer.score is None else answer.score, reverse=True)
    # Evenly spaced from best to worst, so that the answers shown represent all of them.
    last = len(answers) - 1
    shown = {round(k * last / (SHOWN - 1)) for k in range(SHOWN)}
    return Question(
        why=why,
        instruction=line["instruction"],
        input=line["input"],
        reference=line["reference"],
        answers=[answer for place, answer in enumerate(answers) if place in shown],
        folded=[answer for place, answer in enumerate(answers) if place not in shown],
    )


def answers_of(results: Path, model: FinetuningRow) -> list[dict[str, Any]]:
    """A fine-tuned model's answers by question number; an empty list if there is no file."""
    folder = Paths(results).finetuned(model.run, model.protocol, model.seed)
    return lines_if_any(folder / "answers.jsonl")
