"""The series' results, typed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

BASELINE = "8xa100m40-baseline"
CLOUD = "8xA100-40GB"
MODEL = {"vocabulary": 50257, "context": 1024, "width": 768, "heads": 12, "layers": 12}
"""The shape of every model that the series trained."""
TRAIN_TOKENS = 3_260_190_720
"""Training tokens of each of its runs, rounded up to whole steps."""
TEST_TOKENS = 19_660_800
"""Number of tokens in the window of its test losses."""


@dataclass(frozen=True)
class PublishedRun:
    """One training run, or a pretrained model. What was not published is None."""

    run: str
    machine: str
    init_seed: int | None
    train_seed: int | None
    """The init_seed if the series names no other: one seed was used for both."""
    interventions: tuple[str, ...]
    test_loss: float
    """Nats, with the six decimals that were published."""
    final_train_loss: float | None
    train_seconds: float | None
    tokens_per_second: float | None
    part: str
    """Part of the series."""
    role: str
    """`series`, `pretrained`, `table-only` (first generation) or `later`."""


@dataclass(frozen=True)
class PublishedScore:
    """One model's score in one judging round: the mean over 110 questions, from 0 to 100."""

    protocol: str
    run: str
    test_loss: str
    """The loss as printed; the first table has three decimals."""
    round: int
    epochs: int | None
    score: float
    rank: str | None
    """The rank as published, `11=` for a tie."""


def _rows(name: str) -> list[dict[str, str]]:
    text = (resources.files(__package__) / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _known(text: str, kind: Any) -> Any:
    return kind(text) if text else None


@cache
def runs() -> tuple[PublishedRun, ...]:
    """All runs, in the order of the series."""
    found = []
    for row in _rows("runs.csv"):
        init_seed = _known(row["init_seed"], int)
        train_seed = _known(row["train_seed"], int)
        found.append(
            PublishedRun(
                run=row["run"],
                machine=row["machine"],
                init_seed=init_seed,
                train_seed=init_seed if train_seed is None else train_seed,
                interventions=tuple(filter(None, row["interventions"].split(";"))),
                test_loss=float(row["test_loss"]),
                final_train_loss=_known(row["final_train_loss"], float),
                train_seconds=_known(row["train_seconds"], float),
                tokens_per_second=_known(row["tokens_per_second"], float),
                part=row["part"],
                role=row["role"],
            )
        )
    return tuple(found)


@cache
def scores() -> tuple[PublishedScore, ...]:
    """All rounds of all protocols."""
    return tuple(
        PublishedScore(
            protocol=row["protocol"],
            run=row["run"],
            test_loss=row["test_loss"],
            round=int(row["judge_round"]),
            epochs=_known(row["epochs"], int),
            score=float(row["score"]),
            rank=row["published_rank"] or None,
        )
        for row in _rows("scores.csv")
    )


@cache
def figures() -> dict[str, str]:
    """The figures that the series computed from its results, as printed, by name."""
    return {row["name"]: row["value"] for row in _rows("figures.csv")}


def run(name: str) -> PublishedRun:
    """The run of this name; raises KeyError if the series does not have it."""
    found = {one.run: one for one in runs()}
    return found[name]


def cloud() -> tuple[PublishedRun, ...]:
    """Distinct runs of the series on its machines with eight A100. The rerun of the baseline is
    left out, because it has the same bits."""
    return tuple(
        one
        for one in runs()
        if one.role == "series" and one.machine.startswith("8x") and one.run != f"{BASELINE}-2"
    )


def table(chosen: tuple[PublishedRun, ...]) -> pd.DataFrame:
    """The runs as a table for `noiseband.stats`; `label` gives each run's intervention."""
    return pd.DataFrame(
        {
            "run": [one.run for one in chosen],
            "intervention": [label(one) for one in chosen],
            "init_seed": [one.init_seed for one in chosen],
            "train_seed": [one.train_seed for one in chosen],
            "value": [one.test_loss for one in chosen],
        }
    )


def label(one: PublishedRun) -> str:
    """`baseline`, an intervention, or `stacked-1` for the first stack."""
    if not one.interventions:
        return "baseline"
    if len(one.interventions) == 1:
        return one.interventions[0]
    return "stacked-" + one.run.rpartition("-")[2]
