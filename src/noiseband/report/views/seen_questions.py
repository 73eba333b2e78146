"""Sentences next to the scores about test questions that the models saw before."""

from __future__ import annotations

from collections.abc import Sequence

from noiseband.analysis.tuning_rows import SeenQuestionsRow
from noiseband.report.words import counted


def seen_sentences(rows: Sequence[SeenQuestionsRow]) -> list[str]:
    """At most two sentences for each set of rows; none if no test question was seen."""
    tested = [row for row in rows if row.split == "test"]
    return [
        sentence
        for name in dict.fromkeys(row.instructions for row in tested)
        for sentence in _of_set([row for row in tested if row.instructions == name])
    ]


def _of_set(rows: Sequence[SeenQuestionsRow]) -> list[str]:
    first = rows[0]  # All are about the same rows.
    found = []
    if first.in_train:
        found.append(
            f"{first.instructions}: {_of(first.in_train, first.questions)} also in the rows that "
            "the models were fine-tuned on, so scores are partly about memory. seen_questions: "
            "drop in the config leaves those rows out."
        )
    seen = [row for row in rows if row.in_text]
    if seen:
        most = max(row.in_text or 0 for row in seen)
        models = len({run for row in seen for run in row.runs})
        found.append(
            f"{first.instructions}: {'up to ' if len(seen) > 1 else ''}"
            f"{_of(most, first.questions)} in the text that {counted(models, 'model')} "
            f"{'was' if models == 1 else 'were'} trained on before."
        )
    return found


def _of(part: int, questions: int) -> str:
    return f"{part:,} of {counted(questions, 'test question')} {'is' if part == 1 else 'are'}"
