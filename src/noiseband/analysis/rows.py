"""What the rows of the study's tables hold: the columns of `tables/*.csv`.

Where a table shows a statistic, its row is the statistic itself, with what the study adds. Readers
of the tables need nothing else of `stats/`: the verdicts' names, `Call`, are here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from noiseband.stats.additivity import Additivity
from noiseband.stats.factorial import Effect, ErrorFrom
from noiseband.stats.noise import NoiseComponent as NoiseRow
from noiseband.stats.verdicts import Call, Verdict

__all__ = [
    "Call",
    "ContaminationRow",
    "FactorialRow",
    "GapRow",
    "NoiseRow",
    "PositionRow",
    "PretrainedRow",
    "RunRow",
    "StackRow",
    "VerdictRow",
]

Names = tuple[str, ...]
"""Joined by `;` in a cell."""


@dataclass(frozen=True)
class RunRow:
    """One training run. Losses in nats per token."""

    run: str
    intervention: str
    interventions: Names
    """The single interventions applied."""
    init_seed: int
    train_seed: int
    repeat_of: str | None
    continues: str | None
    """The run whose final weights it started from."""
    test_loss: float | None
    """None or not finite where a run has no usable loss."""
    improvement: float | None
    """Test loss of the study's baseline run less this one's: positive is better."""
    bits_per_byte: float | None
    final_train_loss: float | None
    """Mean training loss over the last 5% of the steps."""
    steps: int
    tokens: int
    clipped_steps: int
    skipped_steps: int
    weights_sha256: str
    recipe_sha256: str
    changes: Names
    """`key=value` for each recipe key that differs from the baseline's, but for the seeds."""
    residual: float | None
    """What the model behind the verdicts leaves unexplained of this run's test loss."""


@dataclass(frozen=True)
class ContaminationRow:
    """What of a test window stands in what some runs were trained on."""

    runs: Names
    corpus: str
    split: str
    first_token: int
    """Of the targets, in the split."""
    stop_token: int
    trained_on: Names
    """`corpus:first-stop` of each segment of training tokens."""
    not_compared: Names
    """Corpora that were trained on too, with another vocabulary."""
    documents: int
    """Whole ones in the window."""
    documents_found: int
    """Those that training read whole."""
    document_share: float | None
    tokens: int
    tokens_found: int
    """In the documents found."""
    token_share: float
    span: int
    """Tokens of a span."""
    spans: int
    """All spans of the window, overlapping."""
    spans_found: int
    """Those that occur in the training tokens."""
    span_share: float | None


@dataclass(frozen=True)
class VerdictRow(Verdict):
    """What the study says of one intervention. Effects are changes of the loss: less is better."""

    residual_sd: float | None = None
    """Nats: of the study's one model, the same in all rows that have a run."""
    runs_without_loss: Names = ()
    """Runs of this intervention that have no finite test loss and so no say."""


@dataclass(frozen=True)
class StackRow(Additivity):
    """A stack of interventions against the sum of its parts' effects."""

    interactions: float | None = None
    """The same difference from all runs of the study's factorial design: twice the sum of the
    stack's two-way interactions."""
    interactions_low: float | None = None
    interactions_high: float | None = None


@dataclass(frozen=True)
class FactorialRow(Effect):
    """A main effect or two-way interaction of the study's factorial design, in nats."""

    residual_sd: float | None
    degrees_of_freedom: int
    error_from: ErrorFrom
    """What the intervals take for noise."""


@dataclass(frozen=True)
class PretrainedRow:
    """One model that others trained. It has no say in any verdict."""

    model: str
    repo: str | None
    """On the Hub; None for a folder."""
    revision: str | None
    file_sha256: str
    """Of the file that its weights were read from."""
    weights_sha256: str
    """Digest of the weights as they are used."""
    parameters: int
    context: int
    """Positions that are used: the baseline's."""
    test_loss: float
    improvement: float | None
    """Test loss of the study's baseline run less its own."""
    bits_per_byte: float


@dataclass(frozen=True)
class GapRow:
    """How much of the way from the baseline to a pretrained model one intervention goes."""

    reference: str
    """The pretrained model."""
    intervention: str
    baseline_loss: float
    """Mean of the baseline's runs."""
    reference_loss: float
    share: float
    """0 is the baseline, 1 the reference."""
    low: float | None
    """Ends of the share where the effect is at those of its interval."""
    high: float | None


@dataclass(frozen=True)
class PositionRow:
    """Test loss of one run in one segment of the context."""

    run: str
    first: int
    """First position of the segment, from 0."""
    last: int
    """Last position, included."""
    loss: float
    """Mean over the targets there, nats per token."""
