"""A model as the evaluations of tests/evaluate see it: its params, and its export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from noiseband.study.architecture import Model
from noiseband.study.evaluation_params import EvaluationParams, digest_of
from noiseband.study.evaluations import FurtherEvaluation

WORDS = "the king of the land went up to a great house by the sea and saw light in the heaven and "
"""Text for items."""


def params(model: Model, name: str = "mine", **given: Any) -> EvaluationParams:
    """The params of an evaluation, as the rule writes them."""
    one = FurtherEvaluation.model_validate(given)
    return EvaluationParams(
        model=model.model_copy(update={"dropout": 0.0}),
        attention="explicit",
        run="baseline-42",
        name=name,
        evaluation=one,
        files=digest_of(name, one.paths),
    )


def write_rows(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def write_fields(file: Path, languages: Sequence[str]) -> Path:
    """The fields of a split's documents: the language of each."""
    pq.write_table(pa.table({"language": languages}), file)
    return file


def choice_rows(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Items whose contexts are of many lengths, some longer than any context of a test."""
    generator = torch.Generator().manual_seed(seed)

    def words(most: int) -> str:
        length = int(torch.randint(1, most, (1,), generator=generator))
        begin = int(torch.randint(0, len(WORDS) - length, (1,), generator=generator))
        return WORDS[begin : begin + length].strip() or "it"

    return [
        {
            "context": "" if row == 3 else words(80),
            "choices": [words(9) for _ in range(2 + row % 3)],
            "answer": int(torch.randint(0, 2, (1,), generator=generator)),
        }
        for row in range(count)
    ]
