"""How much of each test window the runs saw in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from noiseband.analysis.rows import ContaminationRow
from noiseband.analysis.sources import json_file
from noiseband.study.paths import Paths


def contamination_rows(
    results: Path, windows: Mapping[str, Sequence[str]]
) -> list[ContaminationRow]:
    """A row for each file under `contamination/`, by name; `windows` maps its name to its runs."""
    # Sorted, because a rule's params are: the same study has the same table by any command.
    found = sorted(windows.items())
    return [_row(Paths(results).contamination(name), runs) for name, runs in found]


def _row(file: Path, runs: Sequence[str]) -> ContaminationRow:
    found = json_file(file)
    segments = found["trained_on"]
    return ContaminationRow(
        runs=tuple(runs),
        corpus=found["corpus"],
        split=found["split"],
        first_token=found["first_token"],
        stop_token=found["stop_token"],
        trained_on=tuple(map(_segment, segments)),
        not_compared=tuple(found["not_compared"]),
        documents=found["documents"],
        documents_found=found["documents_found"],
        document_share=_share(found["documents_found"], found["documents"]),
        tokens=found["tokens"],
        tokens_found=found["tokens_found"],
        token_share=found["tokens_found"] / found["tokens"],
        span=found["span"],
        spans=found["spans"],
        spans_found=found["spans_found"],
        span_share=_share(found["spans_found"], found["spans"]),
    )


def _segment(one: Mapping[str, Any]) -> str:
    packed = f" packed for {one['packed']}" if "packed" in one else ""
    return f"{one['corpus']}{packed}:{one['first']}-{one['stop']}"


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
