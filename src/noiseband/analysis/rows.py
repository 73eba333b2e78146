"""The rows of the study's tables, with a field for each column of `tables/*.csv`.

A row about a statistic is a subclass or alias of the statistic in `stats/`. Readers of the tables
need to import nothing else from `stats/`: `Call`, the names of the verdicts, is here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from noiseband.stats.additivity import Additivity
from noiseband.stats.factorial import Effect, ErrorFrom
from noiseband.stats.gap import NoInterval
from noiseband.stats.noise import NoiseComponent as NoiseRow
from noiseband.stats.noise import seeds_text
from noiseband.stats.verdicts import Call, Verdict
from noiseband.study.seeds import RunSeeds

__all__ = [
    "AverageRow",
    "Call",
    "ContaminationRow",
    "DocumentsRow",
    "FactorialRow",
    "GapRow",
    "ItemsRow",
    "MeasurementRow",
    "MetricRow",
    "MetricVerdictRow",
    "NoiseRow",
    "PositionRow",
    "PretrainedRow",
    "RunRow",
    "ShareRow",
    "StackRow",
    "VerdictRow",
]

Names = tuple[str, ...]
"""Several names, joined by `;` in a cell."""


@dataclass(frozen=True)
class RunRow:
    """One training run."""

    run: str
    intervention: str
    interventions: Names
    """The single interventions applied."""
    init_seed: int
    data_seed: int | None
    """None if the run read its data in order."""
    train_seed: int
    repeat_of: str | None
    continues: str | None
    """The run whose final weights it started from."""
    value: float | None
    """The primary metric; None or not finite if the run has no usable value."""
    improvement: float | None
    """How much better than the study's baseline run it is; positive is better."""
    bits_per_byte: float | None
    final_train_loss: float | None
    """Mean training loss in nats over the last 5% of the steps; None if test losses are in bits per
    byte, because losses per token of different vocabularies cannot be compared."""
    steps: int | None
    """None if the run's trainer does not know it, as for the next three."""
    tokens: int | None
    clipped_steps: int | None
    skipped_steps: int | None
    weights_sha256: str
    """Digest of the weights or, if the trainer declares none, of its other outputs."""
    recipe_sha256: str
    changes: Names
    """`key=value` for each recipe key, except the seeds, that differs from the baseline's."""
    residual: float | None
    """Residual of this run's primary metric in the model behind the verdicts."""

    @property
    def seeds(self) -> RunSeeds:
        """The seeds. If the run read its data in order, its train_seed is also the data_seed."""
        data_seed = self.train_seed if self.data_seed is None else self.data_seed
        return RunSeeds(self.init_seed, data_seed, self.train_seed)

    @property
    def seeds_text(self) -> str:
        """The seeds as `init/train`, or as `init/data/train`."""
        return seeds_text(self.seeds)


@dataclass(frozen=True)
class ContaminationRow:
    """How much of a test window occurs in the training tokens of some runs."""

    runs: Names
    corpus: str
    split: str
    first_token: int
    """First target token, counted in the split."""
    stop_token: int
    trained_on: Names
    """`corpus:first-stop` of each segment of training tokens."""
    not_compared: Names
    """Corpora that were also trained on but have another vocabulary."""
    documents: int
    """Whole documents in the window."""
    documents_found: int
    """Documents that training read whole."""
    document_share: float | None
    tokens: int
    tokens_found: int
    """Tokens in the documents found."""
    token_share: float
    span: int
    """Length of a span in tokens."""
    spans: int
    """Number of overlapping spans in the window."""
    spans_found: int
    """Spans that occur in the training tokens."""
    span_share: float | None


@dataclass(frozen=True)
class VerdictRow(Verdict):
    """The verdict on one intervention, in the unit of the primary metric. An effect is the
    intervention's metric minus the baseline's, whichever direction is better."""

    residual_sd: float | None = None
    """SD of what neither the arm nor the seeds explain, the same in all rows that have a run."""
    band: float | None = None
    """Half the width of the band in which a new run of the baseline falls, on new seeds; the same
    in all rows that have a run."""
    runs_without_value: Names = ()
    """Runs of this intervention whose metric is missing or not finite, which do not count."""


@dataclass(frozen=True)
class MetricVerdictRow(VerdictRow):
    """The verdict on one intervention by a metric other than the primary one."""

    metric: str = ""


@dataclass(frozen=True)
class AverageRow(MetricVerdictRow):
    """The verdict on an average of the weights, which is the `intervention`, by one metric: its
    effect compared with the final weights of the same runs."""

    arm: str = ""
    """The arm whose runs these are."""


@dataclass(frozen=True)
class ShareRow:
    """What one run read of one corpus: of a part of its mixture, or of the only one."""

    run: str
    corpus: str
    """The corpus of its recipe."""
    part: str
    """The corpus that these tokens come from."""
    weight: float | None
    """The share that the mixture asks for; None if the corpus is no mixture."""
    tokens: int
    """Tokens that the run read as inputs, those of further epochs included."""
    share: float | None
    """Their share of all tokens that the run read."""
    distinct_tokens: int
    """Tokens that it read at least once."""
    epochs: float | None
    """`tokens` / `distinct_tokens`: how often it read them."""
    left_out_by_packing: float | None
    """Share of the training split that is in no packed sequence; None if it is contiguous."""


@dataclass(frozen=True)
class MeasurementRow:
    """One metric of one run."""

    run: str
    metric: str
    value: float | None
    """None or not finite if the run has no usable value."""
    standard_error: float | None
    """Standard error that is due to the choice of the test items; None if it is not known."""
    n: int | None
    """Number of test items, such as tokens or questions."""


@dataclass(frozen=True)
class MetricRow:
    """One metric of the study, and how well it tells arms apart."""

    metric: str
    better: str
    """`lower` or `higher`."""
    unit: str
    margin: float | None
    baseline_runs: int
    """Distinct runs of the baseline with a finite value."""
    baseline_mean: float | None
    """Mean over these runs."""
    arms: int
    """Arms with a run, the baseline included."""
    residual_sd: float | None
    """SD of what neither the arm nor the seeds explain."""
    signal: float | None
    """SD of the arms' estimated means."""
    signal_to_noise: float | None
    """`signal` over `residual_sd`. Where nothing matters, it is about 1 / sqrt(runs of an arm)."""


@dataclass(frozen=True)
class DocumentsRow:
    """Two questions about the test set, for one intervention. Losses are in nats per token, or in
    bits per byte, with bytes where the columns say tokens.

    *Do these two models differ?* is about two runs as they are: only the documents could have been
    others. *Does the recipe help?* is about seeds and documents that could both have been others.
    """

    intervention: str
    run: str
    """Its first run on the seeds of a baseline run, or its first run."""
    compared_with: str
    """The run of the baseline that this run is compared with."""
    difference: float
    """Loss of `run` minus that of `compared_with`."""
    difference_se: float
    """Standard error, clustered by document."""
    difference_low: float
    difference_high: float
    effect: float | None
    """The recipe's effect, as in the verdict."""
    texts_se: float
    """Standard error of the effect that is due to the choice of documents alone."""
    low: float | None
    """Lower end of the effect's interval over seeds and documents."""
    high: float | None
    verdict: Call
    """The verdict of this interval."""
    documents: int
    tokens: int
    """Tokens of the test set."""
    tokens_needed: int | None
    """Tokens at which the choice of documents would add 5% to the interval's width."""


@dataclass(frozen=True)
class ItemsRow:
    """Two models compared on the same test items by one metric, in its unit. Only the items could
    have been others: nothing here is about other seeds."""

    metric: str
    intervention: str
    run: str
    """Its first run on the seeds of a baseline run, or its first run."""
    compared_with: str
    """The run of the baseline that this run is compared with."""
    items: int
    improved: int
    """Items on which `run` is better."""
    worsened: int
    """Items on which `run` is worse."""
    difference: float
    """Mean over items of `run` minus that of `compared_with`."""
    difference_se: float
    difference_low: float
    """Lower end of the interval, which holds for all interventions of the metric at once."""
    difference_high: float


@dataclass(frozen=True)
class StackRow(Additivity):
    """A stack of interventions compared with the sum of its parts' effects."""

    interactions: float | None = None
    """The same difference estimated from all runs of the study's factorial design: twice the sum
    of the stack's two-way interactions."""
    interactions_low: float | None = None
    interactions_high: float | None = None


@dataclass(frozen=True)
class FactorialRow(Effect):
    """A main effect or two-way interaction of the study's factorial design, in nats."""

    residual_sd: float | None
    degrees_of_freedom: int
    error_from: ErrorFrom
    """Source of the noise estimate behind the intervals."""


@dataclass(frozen=True)
class PretrainedRow:
    """One model that others trained. No verdict uses it."""

    model: str
    repo: str | None
    """Repository on the Hub; None for a folder."""
    revision: str | None
    file_sha256: str
    """SHA-256 of the file with its weights."""
    weights_sha256: str
    """Digest of the weights as loaded."""
    parameters: int
    context: int
    """Number of positions used, which is the baseline's context."""
    test_loss: float
    improvement: float | None
    """Test loss of the study's baseline run minus its own."""
    bits_per_byte: float | None


@dataclass(frozen=True)
class GapRow:
    """How much of the gap between the baseline and a pretrained model one intervention closes."""

    reference: str
    """The pretrained model."""
    intervention: str
    baseline_loss: float
    """Estimated mean test loss of the baseline, from which the gap is measured."""
    reference_loss: float
    share: float
    """Share of the gap: 0 is the baseline, 1 the reference."""
    low: float | None
    """Lower end of Fieller's interval, which holds for all interventions at once."""
    high: float | None
    no_interval: NoInterval | None
    """Why there is no interval; None if there is one."""


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
