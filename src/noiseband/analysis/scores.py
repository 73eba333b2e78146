"""Fine-tuned models: their epochs, their scores and their ranks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from noiseband.analysis.sources import json_file, json_lines
from noiseband.analysis.tuning_rows import EpochRow, FinetuningRow
from noiseband.stats.ranks import rank_intervals
from noiseband.study.paths import Paths


@dataclass
class Marks:
    """A judge's scores of one model, over all questions and rounds."""

    scores: list[float] = field(default_factory=list)
    questions: set[Any] = field(default_factory=set)
    """Questions with at least one score."""
    missing: int = 0

    @property
    def mean(self) -> float | None:
        """Mean of the scores that exist, or None; a missing score does not count as zero."""
        return math.fsum(self.scores) / len(self.scores) if self.scores else None


def judge_rounds(results: Path, protocol: str) -> list[dict[str, Any]]:
    """Every judged question of every round of a protocol, in the order of the rounds."""
    return [line for file in _round_files(results, protocol) for line in json_lines(file)]


def _round_files(results: Path, protocol: str) -> list[Path]:
    folder = Paths(results).judged(protocol)
    return sorted(folder.glob("round-*.jsonl"), key=lambda file: (len(file.name), file.name))


def marks(rounds: Iterable[Mapping[str, Any]]) -> dict[str, Marks]:
    """The judge's scores by `<run>/<seed>`."""
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


def score_table(
    results: Path, protocol: str, models: Sequence[str]
) -> npt.NDArray[np.float64] | None:
    """Scores of a protocol, shape (models, rounds, questions); NaN for a missing score.

    `models` are named as the judge does, `<run>/<seed>`. Questions are in the order of their first
    appearance. None if no question was judged.
    """
    rounds = [json_lines(file) for file in _round_files(results, protocol)]
    questions = list(dict.fromkeys(line["question"] for lines in rounds for line in lines))
    if not questions:
        return None
    table = np.full((len(models), len(rounds), len(questions)), np.nan)
    for number, lines in enumerate(rounds):
        for line in lines:
            for place, model in enumerate(models):
                score = line["scores"].get(model, {}).get("score")
                if score is not None:
                    table[place, number, questions.index(line["question"])] = score
    return table


def finetuning_rows(
    results: Path, models: Iterable[str], test_loss: Mapping[str, float | None]
) -> list[FinetuningRow]:
    """A row for each `<run>/<protocol>/<seed>`, in protocol order, with the rank of its run."""
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
        rows += _ranked(results, protocol, mine)
    return rows


def _ranked(results: Path, protocol: str, rows: list[FinetuningRow]) -> list[FinetuningRow]:
    """The rows of one protocol with their runs' ranks over all fine-tuning seeds; a run without a
    score has no rank."""
    runs = list(dict.fromkeys(row.run for row in rows if row.score is not None))
    seeds = list(dict.fromkeys(row.seed for row in rows))
    table = score_table(results, protocol, [f"{run}/{seed}" for run in runs for seed in seeds])
    if table is None or not runs:
        return rows
    found = rank_intervals(table.reshape(len(runs), len(seeds), *table.shape[1:]))
    ranks = dict(zip(runs, found, strict=True))
    return [
        replace(row, rank=rank.rank, rank_low=rank.low, rank_high=rank.high)
        if (rank := ranks.get(row.run))
        else row
        for row in rows
    ]


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
    """Split `<run>/<protocol>/<seed>` into its parts."""
    run, protocol, seed = model.rsplit("/", 2)
    return run, protocol, int(seed)


def epochs_file(results: Path, run: str, protocol: str, seed: int) -> Path:
    return Paths(results).finetuned(run, protocol, seed) / "epochs.json"


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
        rank_low=None,
        rank_high=None,
    )
