"""Rows of the tables of fine-tuning: models, epochs, noise, twins."""

from __future__ import annotations

from dataclasses import dataclass

from noiseband.stats.tuning import TuningNoise


@dataclass(frozen=True)
class FinetuningRow:
    """One fine-tuned model."""

    run: str
    protocol: str
    seed: int
    test_loss: float | None
    """Of the run before fine-tuning."""
    best_epoch: int | None
    epochs: int
    """Epochs run; the record may hold one more, number 0, from before."""
    validation_loss: float | None
    """At the best epoch."""
    score: float | None
    """Mean over questions and rounds of the scores that are there, 0 to 100."""
    questions: int
    """Questions with at least one score."""
    missing: int
    """Answers without a score, over all rounds."""
    rank: str | None
    """The run's within the protocol, over all its fine-tuning seeds; `3=` where runs tie."""
    rank_low: int | None
    """Best place of the rank's interval, which resamples fine-tuning seeds, judging rounds and
    questions."""
    rank_high: int | None
    """Worst place of it."""


@dataclass(frozen=True)
class EpochRow:
    """One epoch of one fine-tuned model."""

    run: str
    protocol: str
    seed: int
    epoch: int
    train_loss: float | None
    validation_loss: float | None
    best: bool


@dataclass(frozen=True)
class Measured:
    """What was measured of the models that a row is about."""

    protocol: str
    measure: str
    """Judge score, or best validation loss."""


@dataclass(frozen=True)
class TuningNoiseRow(TuningNoise, Measured):
    """Fine-tuning noise of one protocol by one measure; the columns begin with these two."""


@dataclass(frozen=True)
class TwinRow(Measured):
    """A fine-tuned run against another of the same recipe."""

    run: str
    compared_with: str
    kind: str
    """`twin`, which differs in microbatch or machine, or `repeat`."""
    seeds: int
    """Fine-tuning seeds that both have."""
    difference: float | None
    """The run's less the other's."""
    low: float | None
    """Interval of it by fine-tuning noise alone, for all pairs of the protocol at once."""
    high: float | None
    p_value: float | None
    """Adjusted for these pairs, as the interval is."""
    finding: str
