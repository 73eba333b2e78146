"""The recipe: everything that decides a run's weights, and nothing else.

Each field is followed by its documentation, which the JSON schema and editors also show. A recipe's
digest covers every field here, so a field that cannot change the weights does not belong here, and
one that can must not be anywhere else.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from noiseband.study.loss import Loss
from noiseband.study.optimizer import Optimizer, Schedule
from noiseband.study.ramp import Batches, Ramp
from noiseband.study.section import ADDED, Fraction, Positive, Section, Seed
from noiseband.study.seeds import RunSeeds


def _nearest_divisors(number: int, wanted: int) -> str:
    """The three divisors nearest to `wanted`. For a number above 10^10, only divisors up to 10^5
    and their cofactors are considered."""
    low = [d for d in range(1, min(math.isqrt(number), 10**5) + 1) if number % d == 0]
    valid = {*low, *(number // d for d in low)}
    return ", ".join(map(str, sorted(sorted(valid, key=lambda d: (abs(d - wanted), d))[:3])))


class Norm(Section):
    """The norm before each part of a block and before the head."""

    kind: Annotated[Literal["layer", "rms"], ADDED] = "layer"
    """`layer` is LayerNorm with a bias; `rms` is RMSNorm, which has none."""
    eps: Annotated[float, Field(gt=0), ADDED] = 1e-5
    """Constant added to the variance or to the mean square."""


class FeedForward(Section):
    """The feed-forward part of each block."""

    kind: Annotated[Literal["gelu-tanh", "gelu", "relu2", "swiglu", "geglu"], ADDED] = "gelu-tanh"
    """The activation: GELU by its tanh approximation or exact, the square of ReLU, or a gated
    product (`swiglu`, and `geglu` with the exact GELU), which has a third matrix."""
    multiple: Annotated[float, Field(gt=0), ADDED] = 4.0
    """The hidden width as a multiple of `width`."""
    hidden: Annotated[Positive | None, ADDED] = None
    """The hidden width as a number, instead of `multiple`."""
    bias: Annotated[bool, ADDED] = True
    """Whether its linear layers have biases."""

    @property
    def gated(self) -> bool:
        """Whether the activation multiplies a second product."""
        return self.kind in ("swiglu", "geglu")


class Model(Section):
    """A GPT-2-style decoder with learned positions and pre-norm blocks."""

    vocabulary: Positive
    """Number of token ids including end-of-text, equal to the tokenizer's."""
    context: Positive
    """Sequence length in tokens, and the number of learned positions."""
    width: Positive
    """Width of the residual stream."""
    heads: Positive
    """Number of attention heads; must divide `width`."""
    layers: Positive
    """Number of transformer blocks."""
    dropout: Fraction = 0.1
    """Dropout probability for summed embeddings, attention weights and each residual branch."""
    qkv_bias: bool = False
    """Whether the query, key and value projections have biases."""
    tied: bool = False
    """Whether the output head shares the weights of the token embedding."""
    norm: Annotated[Norm, ADDED] = Norm()
    """The norms."""
    feed_forward: Annotated[FeedForward, ADDED] = FeedForward()
    """The feed-forward parts."""

    @model_validator(mode="after")
    def _hidden_width_is_a_whole_number(self) -> Model:
        asked = self.feed_forward.multiple * self.width
        if self.feed_forward.hidden is None and (abs(asked - round(asked)) > 1e-6 or asked < 1):
            raise ValueError(
                f"feed_forward.multiple={self.feed_forward.multiple} x width={self.width} is no "
                f"whole number; write feed_forward.hidden: {max(round(asked), 1)}"
            )
        return self

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Model:
        if self.width % self.heads:
            raise ValueError(
                f"heads={self.heads} does not divide width={self.width}; "
                f"nearest that do: {_nearest_divisors(self.width, self.heads)}"
            )
        return self

    @property
    def hidden(self) -> int:
        """The hidden width of the feed-forward part."""
        return self.feed_forward.hidden or round(self.feed_forward.multiple * self.width)

    @property
    def initial(self) -> Model:
        """The model with a fixed value for everything that its initial weights do not depend on."""
        own = self.feed_forward
        hidden = None if self.hidden == 4 * self.width else self.hidden
        kind: Literal["swiglu", "gelu-tanh"] = "swiglu" if own.gated else "gelu-tanh"
        changes = {
            "dropout": 0.0,
            "norm": Norm(kind=self.norm.kind),
            "feed_forward": FeedForward(kind=kind, hidden=hidden, bias=own.bias),
        }
        return self.model_copy(update=changes)

    @property
    def architecture(self) -> str:
        """A readable name for everything that initial weights depend on, and so without dropout."""
        own = self.feed_forward
        flags = [
            *(["qkv"] if self.qkv_bias else []),
            *(["tied"] if self.tied else []),
            *(["rms"] if self.norm.kind == "rms" else []),
            *(["gated"] if own.gated else []),
            *([f"f{self.hidden}"] if self.hidden != 4 * self.width else []),
            *([] if own.bias else ["nobias"]),
        ]
        return (
            f"v{self.vocabulary}-c{self.context}-w{self.width}-h{self.heads}-l{self.layers}"
            + "".join(f"-{flag}" for flag in flags)
        )


class Data(Section):
    """The tokens that a run reads, as contiguous sequences of the model's context."""

    corpus: str
    """Name of an entry of `corpora`."""
    start_token: Annotated[int, Field(ge=0)] = 0
    """First token of the training split that the run reads."""
    train_tokens: Positive
    """Number of tokens to train on, rounded up to whole optimiser steps."""
    order: Annotated[Literal["sequential", "shuffled"], ADDED] = "sequential"
    """Order in which the run reads the sequences of these tokens: as they are in the split, or
    `shuffled`, in an order that its data_seed decides."""


class Batch(Section):
    """The number of sequences in an optimiser step, and how they are divided into slots."""

    sequences: Positive
    """Sequences in one optimiser step (the global batch)."""
    microbatch: Positive
    """Sequences in one forward-backward pass; must divide `sequences`."""
    ramp: Annotated[Ramp, ADDED] = Ramp()
    """Smaller batches at the beginning."""

    @model_validator(mode="after")
    def _microbatch_divides_batch(self) -> Batch:
        if self.sequences % self.microbatch:
            raise ValueError(
                f"microbatch={self.microbatch} does not divide sequences={self.sequences}; "
                f"nearest that do: {_nearest_divisors(self.sequences, self.microbatch)}"
            )
        first = self.ramp.sequences
        if first is not None and first not in (valid := self._ramps()):
            raise ValueError(
                f"ramp.sequences={first} is not a smaller batch of whole microbatches that doubles "
                f"to sequences={self.sequences}; valid: {', '.join(map(str, valid)) or 'none'}"
            )
        return self

    def _ramps(self) -> list[int]:
        """The batches from which a ramp may start."""
        return [self.sequences // count for count in valid_processes(self.slots)[1:]]

    @property
    def slots(self) -> int:
        """Microbatches in one optimiser step; the gradient is a fixed binary tree over them."""
        return self.sequences // self.microbatch

    @property
    def fewest_slots(self) -> int:
        """Microbatches in the smallest step, among which processes are shared out."""
        return (self.ramp.sequences or self.sequences) // self.microbatch


def valid_processes(slots: int) -> list[int]:
    """Numbers of processes that can share the slots: the powers of two that divide them."""
    return [2**k for k in range(slots.bit_length()) if slots % 2**k == 0]


Precision = Literal[
    "float32",
    "tf32",
    "float16-amp",
    "bfloat16-amp",
    "float16-amp-no-tf32",
    "bfloat16-amp-no-tf32",
]
"""`float32` without TF32, `tf32`, or autocast with float32 weights and 16-bit products. With
autocast, products that stay in float32 use TF32 unless the name ends in `-no-tf32`. float16 scales
the loss."""


class BaselineRecipe(Section):
    """The baseline's recipe. A run adds its seeds."""

    model: Model
    """The architecture."""
    data: Data
    """The tokens that the run reads."""
    batch: Batch
    """The sequences of an optimiser step."""
    optimizer: Optimizer
    """The optimiser."""
    schedule: Schedule = Schedule()
    """The learning rate schedule."""
    loss: Annotated[Loss, ADDED] = Loss()
    """What is minimised."""
    init: Literal["keyed", "reference"] = "keyed"
    """How initial weights are drawn. `keyed` uses a generator for each (init_seed, parameter name);
    `reference` uses one generator, in the order of the reference implementation."""
    precision: Precision = "float32"
    """Arithmetic of the forward and backward pass: `float32` without TF32, `tf32`, or autocast with
    float32 weights. Products that autocast leaves in float32 use TF32 unless the name ends in
    `-no-tf32`. A CPU without instructions for 16-bit products multiplies the rounded operands in
    float32 and rounds the product."""
    attention: Literal["explicit", "sdpa"] = "explicit"
    """`explicit` computes mask, softmax and dropout as published; `sdpa` is PyTorch's fused kernel.
    """
    compile: bool = False
    """Whether to compile the model with `torch.compile` (on a CPU its loss as well), which is
    faster on GPUs and gives other bits."""
    reduction: Literal["ordered", "allreduce"] = "ordered"
    """How gradients are summed over slots: `ordered` uses a fixed tree, which gives the same bits
    for any number of processes; `allreduce` uses DistributedDataParallel, as published, and does
    not promise that."""
    threads: Positive = 1
    """CPU threads of one training process; part of the recipe because sums depend on it."""
    diverged_after: Annotated[Positive, ADDED] = 50
    """Number of steps in a row without a finite gradient, which are skipped, after which the run
    has diverged and ends. In float16, up to about 16 are normal at the start, while the loss scale
    is halved to one that fits."""

    @model_validator(mode="after")
    def _ramp_has_steps(self) -> BaselineRecipe:
        if self.batch.ramp.sequences is not None and not self.batches.grow:
            raise ValueError(
                f"batch.ramp.share={self.batch.ramp.share} of data.train_tokens="
                f"{self.data.train_tokens} is less than a step of each smaller batch; raise it"
            )
        return self

    @property
    def batches(self) -> Batches:
        """The batches of all steps, which read the training tokens, rounded up to whole steps."""
        sequences = -(-self.data.train_tokens // self.model.context)
        return Batches.of(sequences, self.batch.sequences, self.batch.ramp)


class Recipe(BaselineRecipe):
    """A fully resolved recipe."""

    init_seed: Seed
    """Seed of the initial weights."""
    data_seed: Annotated[Seed | None, ADDED] = None
    """Seed of the order of shuffled data; null if the run reads its data in order."""
    train_seed: Seed
    """Seed of all randomness after initialisation except the order of the data (dropout)."""
    continues: str | None = None
    """Recipe digest of the run whose final weights this one starts from; null means that it starts
    from initial weights."""

    @model_validator(mode="after")
    def _shuffled_data_has_a_seed(self) -> Recipe:
        if (self.data_seed is not None) != (self.data.order == "shuffled"):
            raise ValueError("shuffled data needs a data_seed, and other data has none")
        return self

    @classmethod
    def of(cls, recipe: BaselineRecipe, seeds: RunSeeds) -> Recipe:
        """The recipe of a run from initial weights. The data_seed only enters if the data is
        shuffled."""
        data_seed = seeds.data_seed if recipe.data.order == "shuffled" else None
        return cls(
            **dict(recipe),
            init_seed=seeds.init_seed,
            data_seed=data_seed,
            train_seed=seeds.train_seed,
        )

    @property
    def seeds(self) -> RunSeeds:
        """The seeds. If the run reads its data in order, its train_seed stands in for the
        data_seed, so that its name and its place in tables need no third number."""
        data_seed = self.train_seed if self.data_seed is None else self.data_seed
        return RunSeeds(self.init_seed, data_seed, self.train_seed)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of all fields."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def tokens_per_step(self) -> int:
        """Tokens of a step with all sequences."""
        return self.batch.sequences * self.model.context

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return self.batches.steps

    def tokens_before(self, step: int) -> int:
        """Number of tokens that all steps before `step` read."""
        return self.batches.before(step) * self.model.context

    @property
    def tokens(self) -> int:
        """Number of tokens that the run reads."""
        return self.tokens_before(self.steps)

    @property
    def stop_token(self) -> int:
        """Token where a run that continues this one starts reading: this run's last target."""
        return self.data.start_token + self.tokens

    @property
    def last_token(self) -> int:
        """One past the last token that the run reads, which is the last target."""
        return self.stop_token + 1

    @property
    def start(self) -> str:
        """Name of the initial weights. Runs with the same `start` share one file."""
        return f"{self.model.architecture}-{self.init}-{self.init_seed}"


def beyond_gpt2(model: Model) -> str | None:
    """The first key and value that no GPT2LMHeadModel computes, such as `model.norm.kind: rms`;
    None if there is none."""
    fixed = {"norm": Norm().whole(), "feed_forward": FeedForward().whole()}
    found = flatten({key: getattr(model, key).whole() for key in fixed})
    odd = [key for key, value in flatten(fixed).items() if found[key] != value]
    return f"model.{odd[0]}: {written(found[odd[0]])}" if odd else None


def flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested mapping to dotted keys: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat.update(flatten(inner, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = inner
    return flat


def written(value: Any) -> str:
    """A recipe's value as it is written in a config."""
    return value if isinstance(value, str) else json.dumps(value)


def difference(recipe: BaselineRecipe, other: BaselineRecipe) -> dict[str, list[Any]]:
    """Sorted dotted keys in which two recipes differ, each with both values. Ignores the seeds."""
    seeds = set(RunSeeds._fields)
    before, after = (
        flatten(recipe.whole(exclude=seeds)),
        flatten(other.whole(exclude=seeds)),
    )
    return {key: [before[key], after[key]] for key in sorted(before) if before[key] != after[key]}
