"""How models are measured: the test loss, and the `evaluations` section of a config file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from noiseband.io.metrics import fitting
from noiseband.study.commands import check_command
from noiseband.study.plugins import IdeaName
from noiseband.study.section import ADDED, Positive, Section

if TYPE_CHECKING:
    from noiseband.study.runs import Study

EvaluationName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)]
"""Without a dot, because a metric is called `<evaluation>.<metric>`."""
Text = Annotated[str, Field(min_length=1)]
Kind = Literal["loss", "choice", "harness", "command"]
KINDS: tuple[Kind, ...] = ("loss", "choice", "harness", "command")

NEEDS_HARNESS = "needs the package lm-eval; run `pip install 'noiseband[harness]'`"
PLACEHOLDERS = ("model", "out", "run")
"""What a command may have in braces."""
Unit = Literal["nats", "bits-per-byte"]
EXAMPLE = "python eval.py --model {model} --out {out}"
"""A command that has what it needs to have."""


class Evaluation(Section):
    """Test loss: token-weighted cross-entropy over a fixed window of held-out tokens."""

    corpus: str | None = None
    """Corpus on which every run is measured; null means the corpus that each run reads."""
    split: Literal["test", "validation", "train"] = "test"
    """Split of the corpus that contains the window. With `train`, the window must consist of tokens
    that no run trains on."""
    start_token: Annotated[int, Field(ge=0)] = 0
    """First token of the split to use."""
    tokens: Positive | None = None
    """Number of tokens, rounded down to whole batches; null means the whole split."""
    batch: Positive = 16
    """Sequences in a forward pass. Part of the protocol, since another shape gives other bits."""
    precision: Literal["float32", "float16-amp", "bfloat16-amp"] = "float32"
    """Arithmetic of the forward pass."""
    unit: Annotated[Unit, ADDED] = "nats"
    """Unit of the loss. `nats` is the mean over the window's tokens. `bits-per-byte` takes every
    token of every document of the split: the sum of -log2 p, divided by the bytes of the documents'
    text, so that runs with different vocabularies can be compared. See [the size of a
    vocabulary](corpora.md#the-size-of-a-vocabulary)."""

    @model_validator(mode="after")
    def _bits_are_of_whole_documents(self) -> Self:
        if self.in_bits and (self.tokens is not None or self.start_token):
            key = "start_token" if self.start_token else "tokens"
            raise ValueError(
                f"{key}={getattr(self, key)}: unit bits-per-byte measures whole documents, all of "
                "the split; remove it, and make the split smaller by the corpus's shares"
            )
        return self

    @property
    def in_bits(self) -> bool:
        """Whether the loss is in bits per byte of whole documents."""
        return self.unit == "bits-per-byte"

    @property
    def unit_text(self) -> str:
        """The unit in words."""
        return self.unit.replace("-", " ")


Slice = Annotated[str, Field(min_length=1, max_length=60)]
MOST_SLICES = 20
"""Each slice is one more metric with verdicts of its own."""


class FurtherLoss(Evaluation):
    """The loss in a window of any corpus, with the keys of `evaluation`."""

    by: Annotated[dict[Text, Annotated[list[Slice], Field(min_length=1)]] | None, ADDED] = None
    """A field of the documents, and the values of it whose losses are metrics of their own, such as
    `{language: [python, go]}`: `loss.python` and `loss.go`. See [slices](evaluations.md#slices)."""

    metrics: Annotated[list[IdeaName], ADDED] = []
    """Ideas of `plugins` under `@noiseband.metric`, such as `ideas.top5`, each a further metric of
    this evaluation by its own name, such as `top5`. Declare it under `metrics` to have it judged.
    """

    @model_validator(mode="after")
    def _own_metrics_are_of_tokens(self) -> FurtherLoss:
        if self.metrics and self.in_bits:
            raise ValueError(
                f"metrics={', '.join(self.metrics)}: they are means over tokens, which whole "
                "documents in bits per byte are not; give them an evaluation of their own"
            )
        return self

    @property
    def field(self) -> str:
        """The field by which the loss is sliced; empty if it is not."""
        return next(iter(self.by or {}), "")

    @property
    def slices(self) -> dict[str, str]:
        """Metric to the value of the field."""
        return {slice_metric(value): value for value in (self.by or {}).get(self.field, [])}

    @field_validator("by")
    @classmethod
    def _metrics_differ(cls, by: dict[str, list[str]] | None) -> dict[str, list[str]] | None:
        if by is None:
            return by
        if len(by) != 1:
            raise ValueError(
                f"has {len(by)} fields; give one, as in {{language: [python, go]}}, and another "
                "evaluation for another field"
            )
        ((field, values),) = by.items()
        if len(values) > MOST_SLICES:
            raise ValueError(
                f"{field} has {len(values)} values, and each is one more metric with verdicts of "
                f"its own; list at most {MOST_SLICES}"
            )
        named: dict[str, str] = {}
        for value in values:
            metric = slice_metric(value)
            if metric in named:
                raise ValueError(
                    f"{field}: {named[metric]!r} and {value!r} would both be called {metric}; list "
                    "one of them"
                )
            named[metric] = value
        return by


def slice_metric(value: str) -> str:
    """The name of the metric of a slice, without that of the evaluation."""
    return f"loss.{fitting(value)}"


class Choice(Section):
    """Items in a file of JSON lines, each answered by the continuation to which the model gives the
    highest probability. See [evaluations](evaluations.md#choice) for the form of the file."""

    file: Text
    """The file, relative to the folder in which the study runs."""
    delimiter: str = " "
    """Text between the context and each continuation."""
    rows: Annotated[int, Field(gt=0, multiple_of=8)] = 16
    """Continuations in a forward pass: a multiple of 8, so that the bits of an item do not depend
    on its row in the batch. A model whose head width is not a multiple of 4 reads one at a time."""


class Harness(Section):
    """Tasks of lm-evaluation-harness, which is run offline on the exported model. It needs the
    extra `harness`."""

    tasks: Annotated[list[Text], Field(min_length=1)]
    """Names of tasks."""
    shots: Annotated[int, Field(ge=0)] | None = None
    """Examples in each prompt; null means what each task says."""
    include_path: Text | None = None
    """Folder with task files (YAML) of your own, and the data that they name."""
    files: list[Text] = []
    """Further files and folders that the tasks read."""
    limit: Positive | None = None
    """Only the first items of each task; null means all."""
    batch: Positive = 8
    """Sequences in a forward pass. Part of the protocol, since another shape gives other bits."""


class MetricKind(NamedTuple):
    """How a metric is read."""

    better: Literal["lower", "higher"]
    unit: str


CHOICE = {"accuracy": MetricKind("higher", "share of items"), "loss": MetricKind("lower", "nats")}


class FurtherEvaluation(Section):
    """One more evaluation of every run and pretrained model: exactly one of `loss`, `choice`,
    `harness` and `command`."""

    loss: Annotated[FurtherLoss | None, ADDED] = None
    """The loss on any corpus of the study."""
    choice: Annotated[Choice | None, ADDED] = None
    """Multiple choice or last words, from a file."""
    harness: Annotated[Harness | None, ADDED] = None
    """Tasks of lm-evaluation-harness."""
    command: Annotated[Text | None, ADDED] = None
    """A command of your own. `{model}` stands for a folder with the exported model and its
    tokenizer for `transformers`, `{out}` for the folder in which the command writes `metrics.json`,
    and `{run}` for the run's name. No shell reads it."""
    files: Annotated[list[Text], ADDED] = []
    """With `command`: the files and folders that decide its result, such as its script."""
    gpu: Annotated[bool, ADDED] = False
    """With `command`: whether it uses a GPU. The other kinds use one if there is one."""
    items: Annotated[bool, ADDED] = False
    """With `command`: whether it also writes `items.jsonl`, its results for each item, by which two
    models can be compared."""
    repeatable: Annotated[bool, ADDED] = True
    """With `command`: whether it gives the same metrics a second time. If not, its results are not
    in the study's manifest."""

    average: Annotated[Annotated[int, Field(ge=2)] | None, ADDED] = None
    """Each metric is the mean over this many of a run's last `snapshots`, the final weights among
    them; null means the final weights alone. A pretrained model has no snapshots, and is measured
    as it is."""

    @property
    def kind(self) -> Kind:
        """The one kind that is given."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def exports(self) -> bool:
        """Whether it reads the model as an exported folder."""
        return self.kind in ("harness", "command")

    @property
    def has_items(self) -> bool:
        """Whether it gives results for each item."""
        return self.command is None or self.items

    @property
    def paths(self) -> list[str]:
        """The user's files and folders that decide its result, in the order of the config."""
        if self.choice is not None:
            return [self.choice.file]
        if self.harness is not None:
            included = self.harness.include_path
            return [*([] if included is None else [included]), *self.harness.files]
        return list(self.files)

    def metrics(self) -> dict[str, MetricKind]:
        """The metrics that it is sure to give, by name without that of the evaluation. What it
        gives beyond these is kept and not judged."""
        if self.loss is not None:
            kind = MetricKind("lower", self.loss.unit_text)
            return dict.fromkeys(["loss", *self.loss.slices], kind)
        return {"choice": CHOICE}.get(self.kind, {})

    @field_validator("command")
    @classmethod
    def _has_known_placeholders(cls, value: str | None) -> str | None:
        if value is not None:
            check_command(value, PLACEHOLDERS, ("out",), EXAMPLE)
        return value

    @model_validator(mode="after")
    def _is_one_kind(self) -> FurtherEvaluation:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"give exactly one of {', '.join(KINDS)}, not {found}")
        if self.command is None:
            for key in ("files", "gpu", "items", "repeatable"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"{key} belongs to a command; remove it")
        return self


def evaluations_of(study: Study) -> list[tuple[str, str]]:
    """(run or pretrained model, evaluation) of every further evaluation, in the study's order.

    Its result is `study.paths.evaluation(run, evaluation)`, whose metrics are called
    `<evaluation>.<metric>`.
    """
    return [(model, name) for name in study.config.evaluations for model in study.models]


def known_metrics(evaluations: Mapping[str, FurtherEvaluation]) -> dict[str, MetricKind]:
    """The metrics that further evaluations are sure to give, by their full names."""
    return {
        f"{name}.{metric}": kind
        for name, one in evaluations.items()
        for metric, kind in one.metrics().items()
    }


def loss_windows(
    evaluations: Mapping[str, FurtherEvaluation],
) -> Iterator[tuple[str, FurtherLoss]]:
    """Yield the key of each further loss in the config, with its window."""
    for name, one in evaluations.items():
        if one.loss is not None:
            yield f"evaluations.{name}.loss", one.loss
