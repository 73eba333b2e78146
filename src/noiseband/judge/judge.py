"""Run a judging round: for each question, the judge sees all models' answers in shuffled order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.io.files import read_jsonl, write_jsonl
from noiseband.judge.interface import Judge, Postponed, Question
from noiseband.judge.kinds import judge_of
from noiseband.judge.outcome import check_scores
from noiseband.judge.prompt import sound
from noiseband.randomness import derived_seed
from noiseband.study.judges import Judge as JudgeConfig

Answers = Mapping[str, list[dict[str, Any]]]
"""The rows of each model's `answers.jsonl`; a model is named `<run>/<seed>`."""

Report = Callable[[int, int, str], None]
"""Takes the number of judged questions, the number of all questions, and the judge's status."""


def judge_files(
    config: JudgeConfig,
    round: int,
    files: Sequence[Path],
    store: Path | None,
    out: Path,
    report: Report = lambda done, questions, status: None,
    tell: Callable[[str], object] = lambda sentence: None,
) -> None:
    """Judge files of answers, each at `<run>/ift/<protocol>/<seed>/answers.jsonl`, once.

    Args:
        store: folder of requests and replies, needed by a language model. Several rounds and
            protocols may share it; a stored reply is not asked for again.
        tell: takes sentences for the user about missing scores and a scale that was not used.

    Raises:
        UserError: a file is not at such a path, a model has two files, the questions differ, the
            judge cannot continue, or no answer got a score. `out` is then not written, and the
            store keeps all replies.
    """
    by_model: dict[str, Path] = {}
    for file in files:
        model = model_of(file)
        if model in by_model:
            raise UserError(f"{file}: model {model} is judged already: {by_model[model]}; omit one")
        by_model[model] = file
    answers = read_answers(by_model)
    with judge_of(config, round, store) as judge:
        rows = judge_round(answers, judge, round, report)
    for sentence in check_scores(rows, round):
        tell(sentence)
    write_jsonl(out, rows)


def model_of(file: Path) -> str:
    """`<run>/<seed>` from `<run>/ift/<protocol>/<seed>/answers.jsonl`.

    Raises UserError for any other path.
    """
    match file.parts:
        case [*_, run, "ift", _, seed, _]:
            return f"{run}/{seed}"
    raise UserError(f"{file}: not at <run>/ift/<protocol>/<seed>/answers.jsonl; move it there")


def read_answers(files: Mapping[str, Path]) -> dict[str, list[dict[str, Any]]]:
    """The answers of several models to the same questions.

    Raises UserError, naming the first difference, if the questions differ.
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
                f"{files[model]}: answers {len(rows)} questions, but {first} answers "
                f"{len(expected)}; {remedy}"
            )
    return answers


def judge_round(
    answers: Answers,
    judge: Judge,
    round: int,
    report: Report = lambda done, questions, status: None,
) -> list[dict[str, Any]]:
    """One row for each question, ready to be written as JSONL. Postponed questions are asked last.

    A row has `round`, `question` (index from 0), `instruction`, `input`, `reference`, `order` (the
    models in the order in which the judge saw their answers), `scores` (for each model, in the
    order of `answers`: `score`, 0 to 100 or null if missing, and `reason`) and `raw` (the judge's
    own reply).
    """
    questions = range(len(next(iter(answers.values()))))
    rows: dict[int, dict[str, Any]] = {}
    with ThreadPoolExecutor(judge.at_once) as pool:
        try:
            for last in (False, True):
                remaining = [question for question in questions if question not in rows]
                asked = [pool.submit(_row, answers, judge, round, one) for one in remaining]
                for future in as_completed(asked):
                    try:
                        row = future.result()
                    except Postponed:
                        if last:
                            raise
                        continue
                    rows[row["question"]] = row
                    report(len(rows), len(questions), judge.status)
        except BaseException:
            judge.halt()
            pool.shutdown(cancel_futures=True)
            raise
    return [rows[question] for question in questions]


def _row(answers: Answers, judge: Judge, round: int, index: int) -> dict[str, Any]:
    first = next(iter(answers.values()))[index]
    question = Question(
        sound(first["instruction"]), sound(first["input"]), sound(first["reference"])
    )
    order = shuffled(list(answers), round, index)
    reply = judge.judge(question, [answers[model][index]["answer"] for model in order])
    scores = dict(zip(order, reply.scores, strict=True))
    return {
        "round": round,
        "question": index,
        **asdict(question),
        "order": order,
        "scores": {model: asdict(scores[model]) for model in answers},
        "raw": reply.raw,
    }


def shuffled(models: list[str], round: int, question: int) -> list[str]:
    """The models in a random order that depends on the round and the question.

    They are sorted by hash, so the order of `models` does not matter, and another model does not
    change the order of the rest.
    """
    return sorted(models, key=lambda model: derived_seed("judge", round, question, model))
