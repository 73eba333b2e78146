"""Fine-tuned models: their epochs, what the judge gave them, and who ranks where."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noiseband.report.rows import EpochRow, FinetuningRow
from noiseband.report.sources import json_file, json_lines


@dataclass
class Marks:
    """What a judge said of one model, over all questions and rounds."""

    scores: list[float] = field(default_factory=list)
    questions: set[Any] = field(default_factory=set)
    """Those with at least one score."""
    missing: int = 0

    @property
    def mean(self) -> float | None:
        """A missing score is missing: it neither counts as zero nor in the number."""
        return math.fsum(self.scores) / len(self.scores) if self.scores else None


def judge_rounds(results: Path, protocol: str) -> list[dict[str, Any]]:
    """Every judged question of every round of a protocol, the rounds in order."""
    folder = results / "judge" / protocol
    files = sorted(folder.glob("round-*.jsonl"), key=lambda f: (len(f.name), f.name))
    return [line for file in files for line in json_lines(file)]


def marks(rounds: Iterable[Mapping[str, Any]]) -> dict[str, Marks]:
    """`<run>/<seed>` to what the judge said of it."""
    found: dict[str, Marks] = {}
    for line in rounds:
        for model, given in line["scores"].items():
            mark = found.setdefault(model, Marks())
            if given["score"] is None:
                mark.missing += 1
            else:
                mark.scores.append(float(given["score"]))
                mark.questions.add(line["question"])
    return found


def ranks(scores: Sequence[float | None]) -> list[str | None]:
    """Places by score, the highest first; equal scores share the best place, marked `3=`."""
    # Rounded, so that the order in which scores were added cannot break a tie.
    known = [None if score is None else round(score, 9) for score in scores]
    there = [score for score in known if score is not None]
    return [
        None
        if score is None
        else f"{1 + sum(other > score for other in there)}{'=' if there.count(score) > 1 else ''}"
        for score in known
    ]


def finetuning_rows(
    results: Path, models: Iterable[str], test_loss: Mapping[str, float | None]
) -> list[FinetuningRow]:
    """One row for each `<run>/<protocol>/<seed>`, in that order, ranked within its protocol."""
    split = [split_model(model) for model in models]
    rows: list[FinetuningRow] = []
    for protocol in dict.fromkeys(protocol for _, protocol, _ in split):
        given = marks(judge_rounds(results, protocol))
        mine = [
            _row(
                results,
                model,
                test_loss.get(model[0]),
                given.get(f"{model[0]}/{model[2]}", Marks()),
            )
            for model in split
            if model[1] == protocol
        ]
        places = ranks([row.score for row in mine])
        rows += [replace(row, rank=place) for row, place in zip(mine, places, strict=True)]
    return rows


def epoch_rows(results: Path, models: Iterable[str]) -> list[EpochRow]:
    """Every epoch of every fine-tuned model."""
    rows = []
    for run, protocol, seed in map(split_model, models):
        history = json_file(epochs_file(results, run, protocol, seed))
        rows += [
            EpochRow(
                run=run,
                protocol=protocol,
                seed=seed,
                epoch=epoch["epoch"],
                train_loss=epoch["train_loss"],
                validation_loss=epoch["validation_loss"],
                best=epoch["epoch"] == history["best_epoch"],
            )
            for epoch in history["epochs"]
        ]
    return rows


def split_model(model: str) -> tuple[str, str, int]:
    """`<run>/<protocol>/<seed>` in its parts."""
    run, protocol, seed = model.rsplit("/", 2)
    return run, protocol, int(seed)


def epochs_file(results: Path, run: str, protocol: str, seed: int) -> Path:
    return results / "runs" / run / "ift" / protocol / str(seed) / "epochs.json"


def _row(
    results: Path, model: tuple[str, str, int], test_loss: float | None, mark: Marks
) -> FinetuningRow:
    run, protocol, seed = model
    history = json_file(epochs_file(results, run, protocol, seed))
    best = [e for e in history["epochs"] if e["epoch"] == history["best_epoch"]]
    return FinetuningRow(
        run=run,
        protocol=protocol,
        seed=seed,
        test_loss=test_loss,
        best_epoch=history["best_epoch"],
        epochs=max((epoch["epoch"] for epoch in history["epochs"]), default=0),
        validation_loss=best[0]["validation_loss"] if best else None,
        score=mark.mean,
        questions=len(mark.questions),
        missing=mark.missing,
        rank=None,
    )
