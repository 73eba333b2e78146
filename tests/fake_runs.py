"""The runs of made-up studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FakeRun:
    """One run as the files tell it."""

    name: str
    test_loss: float | None
    intervention: str = "baseline"
    parts: Sequence[str] = ()
    seeds: tuple[int, ...] = (42, 42)
    """`(init_seed, train_seed)`, or `(init_seed, data_seed, train_seed)` with shuffled data."""
    difference: Mapping[str, list[Any]] = field(default_factory=dict)
    repeat_of: str | None = None
    continues: str | None = None
    skipped: Sequence[int] = ()


Difference = dict[str, list[Any]]

BASELINES = [
    FakeRun("baseline-42", 4.861234),
    FakeRun("baseline-22", 4.849811, seeds=(22, 22)),
    FakeRun("baseline-67", 4.870405, seeds=(67, 67)),
    FakeRun("baseline-42-23", 4.858102, seeds=(42, 23)),
    FakeRun("baseline-42-67", 4.864977, seeds=(42, 67)),
    FakeRun("baseline-23", 4.852318, seeds=(23, 23)),
    FakeRun("baseline-67-23", 4.866120, seeds=(67, 23)),
]
CLIPPING: Difference = {"optimizer.clip_norm": [None, 0.5]}
NO_DROPOUT: Difference = {"model.dropout": [0.1, 0.0]}
SCHEDULE: Difference = {
    "optimizer.learning_rate": [0.005, 0.0175],
    "schedule.kind": ["constant", "warmup-cosine"],
}
DECAY: Difference = {"optimizer.weight_decay": [0.1, 0.01]}
STACK = ["gradient-clipping", "remove-dropout", "schedule-learning-rate"]


def pocket_runs() -> list[FakeRun]:
    """Twenty-four runs in the shape of the pocket study."""

    def single(
        name: str, losses: Sequence[float], difference: Mapping[str, list[Any]]
    ) -> list[FakeRun]:
        return [
            FakeRun(f"{name}-{seed}", loss, name, [name], (seed, seed), difference)
            for seed, loss in zip((42, 22), losses, strict=False)
        ]

    rate: Difference = {"optimizer.learning_rate": [0.005, 0.0175]}
    return [
        *BASELINES,
        *single("gradient-clipping", [4.857, 4.843], CLIPPING),
        *single("remove-dropout", [4.781, 4.772], NO_DROPOUT),
        *single("qkv-bias", [4.849, 4.838], {"model.qkv_bias": [False, True]}),
        *single("schedule-learning-rate", [4.702, 4.691], SCHEDULE),
        *single("update-learning-rate", [5.031], rate),
        *single("weight-decay-gpt2", [4.866, 4.857], DECAY),
        *single("weight-decay-cerebras", [4.907], {"optimizer.weight_decay": [0.1, 0.33724]}),
        *single("weight-tying", [5.412], {"model.tied": [False, True]}),
        *single("bfloat16", [4.869], {"precision": ["float32", "bfloat16-amp"]}),
        FakeRun("stacked-1-42", 4.641, "stacked-1", [*STACK, "weight-decay-gpt2"],
                difference={**CLIPPING, **NO_DROPOUT, **SCHEDULE, **DECAY}, skipped=(3,)),
        FakeRun("stacked-3-42", 4.633, "stacked-3", STACK,
                difference={**CLIPPING, **NO_DROPOUT, **SCHEDULE}),
        FakeRun("baseline-42-again", 4.861234, repeat_of="baseline-42"),
    ]  # fmt: skip


def continued(other: str, loss: float) -> FakeRun:
    """A baseline run that went on from another's final weights, over as many tokens again."""
    difference: Difference = {"continues": [None, other], "data.start_token": [0, 40960]}
    return FakeRun("extended", loss, "continued", difference=difference, continues=other)
