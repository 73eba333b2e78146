"""Rows of the tables on fine-tuning: models, epochs, noise, twins and seen questions."""

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
    """Test loss of the run before fine-tuning."""
    best_epoch: int | None
    epochs: int
    """Number of epochs; the record may also have epoch 0, from before fine-tuning."""
    validation_loss: float | None
    """Validation loss at the best epoch."""
    score: float | None
    """Mean of the existing scores over questions and rounds, from 0 to 100."""
    questions: int
    """Questions with at least one score."""
    missing: int
    """Answers without a score, over all rounds."""
    rank: str | None
    """Rank of the run within the protocol, over all its fine-tuning seeds; `3=` if runs tie."""
    rank_low: int | None
    """Best rank in the interval, which resamples fine-tuning seeds, judging rounds and
    questions."""
    rank_high: int | None
    """Worst rank in the interval."""


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
    """The protocol and measure that a row is about."""

    protocol: str
    measure: str
    """`judge score` or `validation loss` (at the best epoch)."""


@dataclass(frozen=True)
class TuningNoiseRow(TuningNoise, Measured):
    """Fine-tuning noise of one protocol by one measure; these two are the first columns."""


@dataclass(frozen=True)
class TwinRow(Measured):
    """A fine-tuned run compared with another run of the same recipe."""

    run: str
    compared_with: str
    kind: str
    """`twin` (differs in microbatch or machine) or `repeat`."""
    seeds: int
    """Fine-tuning seeds that both have."""
    difference: float | None
    """This run's value minus the other's."""
    low: float | None
    """Lower end of its interval, from fine-tuning noise alone, for all pairs of the protocol."""
    high: float | None
    p_value: float | None
    """p-value, adjusted for these pairs as the interval is."""
    finding: str


@dataclass(frozen=True)
class SeenQuestionsRow:
    """The questions of one split that some fine-tuned models saw before they were asked them."""

    instructions: str
    """The set of rows."""
    split: str
    """`test` or `validation`."""
    runs: tuple[str, ...]
    """The fine-tuned runs and pretrained models."""
    trained_on: tuple[str, ...]
    """`corpus:first-stop` of each segment of training tokens; empty for models that others trained,
    whose training text is not known."""
    questions: int
    """Rows of the split."""
    in_train_exactly: int
    """Questions that are also in the training rows, character by character."""
    in_train: int
    """Questions that are there up to case, punctuation and blanks."""
    in_text: int | None
    """Questions whose words are in the training text, one after the other; None if it is not
    known."""
    too_short: int | None
    """Questions with too few words to look for them in the training text."""
    shortest: int
    """Words of the shortest question that is looked for."""
