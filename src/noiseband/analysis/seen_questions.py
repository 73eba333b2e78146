"""How many test and validation questions the fine-tuned models saw before they were asked them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from noiseband.analysis.sources import json_file
from noiseband.analysis.tuning_rows import SeenQuestionsRow
from noiseband.study.paths import Paths


def seen_questions_rows(
    results: Path, counts: Mapping[str, Sequence[str]]
) -> list[SeenQuestionsRow]:
    """A row for each split of each count, by name; `counts` maps a count's name to its models."""
    # Sorted, because a rule's params are: the same study has the same table by any command.
    return [
        row
        for name, runs in sorted(counts.items())
        for row in _rows(Paths(results).seen_questions(name), runs)
    ]


def _rows(file: Path, runs: Sequence[str]) -> Iterator[SeenQuestionsRow]:
    found = json_file(file)
    segments = found["trained_on"]
    for split, one in found["splits"].items():
        in_text = one["rows_in_text"]
        yield SeenQuestionsRow(
            instructions=found["instructions"],
            split=split,
            runs=tuple(runs),
            trained_on=tuple(f"{s['corpus']}:{s['first']}-{s['stop']}" for s in segments),
            questions=one["questions"],
            in_train_exactly=one["in_train_exactly"],
            in_train=len(one["rows_in_train"]),
            in_text=None if in_text is None else len(in_text),
            too_short=one["too_short"],
            shortest=found["shortest"],
        )
