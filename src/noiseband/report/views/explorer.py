"""All questions, answers, scores and reasons, as the page's explorer reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from noiseband.analysis.noise import twins
from noiseband.analysis.rows import RunRow
from noiseband.analysis.scores import judge_rounds
from noiseband.analysis.tuning_rows import FinetuningRow
from noiseband.report.views.questions import answers_of


def explorer(
    results: Path, models: Sequence[FinetuningRow], runs: Sequence[RunRow]
) -> dict[str, Any] | None:
    """Every judged protocol and the groups of twins; None if nothing was judged.

    Answers are indexed by model and question, in the order of a protocol's `models` and
    `questions`; scores and reasons by round, model and question. A missing score or answer is None.
    """
    protocols = [
        found
        for name in dict.fromkeys(model.protocol for model in models)
        if (found := _protocol(results, name, [m for m in models if m.protocol == name]))
    ]
    pairs = [sorted(group) for group in twins(runs) if len(group) > 1]
    return {"protocols": protocols, "twins": pairs} if protocols else None


def _protocol(results: Path, name: str, models: Sequence[FinetuningRow]) -> dict[str, Any] | None:
    lines = judge_rounds(results, name)
    if not lines:
        return None
    questions = {line["question"]: line for line in lines}
    given = {(line["round"], line["question"]): line["scores"] for line in lines}
    rounds = list(dict.fromkeys(line["round"] for line in lines))

    def of_rounds(field: str) -> list[list[list[Any]]]:
        """One field of the judge's replies, indexed by round, model and question."""
        return [
            [
                [
                    given.get((number, question), {}).get(f"{m.run}/{m.seed}", {}).get(field)
                    for question in questions
                ]
                for m in models
            ]
            for number in rounds
        ]

    answers = [{k: row["answer"] for k, row in enumerate(answers_of(results, m))} for m in models]
    return {
        "name": name,
        "rounds": rounds,
        "models": [[model.run, model.seed] for model in models],
        "questions": [
            [line["instruction"], line["input"], line["reference"]] for line in questions.values()
        ],
        "answers": [[texts.get(question) for question in questions] for texts in answers],
        "scores": of_rounds("score"),
        "reasons": of_rounds("reason"),
    }
