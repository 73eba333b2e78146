"""The recipe: everything that decides a run's weights, and nothing else.

Each field is followed by its documentation, which is also what the JSON schema and editors show.
A recipe's digest covers every field here, so a field that cannot change the weights does not
belong here, and one that can must not live anywhere else.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Section(BaseModel):
    """Base of every config model: strict types, no unknown keys, immutable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @property
    def text(self) -> str:
        """Canonical JSON: how a rule hands a section to its command. Mappings arrive sorted."""
        return canonical_json(self.model_dump())


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text on every machine."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _nearest_divisors(number: int, wanted: int) -> str:
    """The three divisors nearest to `wanted`; of a number beyond all reason, of those that are
    found soon."""
    low = [d for d in range(1, min(math.isqrt(number), 10**5) + 1) if number % d == 0]
    valid = {*low, *(number // d for d in low)}
    return ", ".join(map(str, sorted(sorted(valid, key=lambda d: (abs(d - wanted), d))[:3])))


class Model(Section):
    """A GPT-2-style decoder: learned positions, pre-norm blocks, tanh-GELU feed-forward of 4x."""

    vocabulary: Positive
    """Number of token ids, end-of-text included; must equal the tokenizer's."""
    context: Positive
    """Sequence length in tokens, also the number of learned positions."""
    width: Positive
    """Size of the residual stream."""
    heads: Positive
    """Attention heads; must divide `width`."""
    layers: Positive
    """Transformer blocks."""
    dropout: Fraction = 0.1
    """Probability of dropping: summed embeddings, attention weights and each residual branch."""
    qkv_bias: bool = False
    """Whether the query, key and value projections have biases."""
    tied: bool = False
    """Whether the output head is the token embedding itself."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Model:
        if self.width % self.heads:
            raise ValueError(
                f"heads={self.heads} does not divide width={self.width}; "
                f"nearest that do: {_nearest_divisors(self.width, self.heads)}"
            )
        return self

    @property
    def architecture(self) -> str:
        """A readable name of what the initial weights depend on (dropout is not part of it)."""
        flags = ("-qkv" if self.qkv_bias else "") + ("-tied" if self.tied else "")
        return (
            f"v{self.vocabulary}-c{self.context}-w{self.width}-h{self.heads}-l{self.layers}{flags}"
        )


class Data(Section):
    """Which tokens a run reads. Sequences are contiguous and never shuffled."""

    corpus: str
    """Name of an entry of `corpora`."""
    start_token: Annotated[int, Field(ge=0)] = 0
    """First token of the training split that the run reads."""
    train_tokens: Positive
    """Tokens to train on; rounded up to whole optimiser steps."""


class Batch(Section):
    """How many sequences make an optimiser step, and how they are cut into slots."""

    sequences: Positive
    """Sequences in one optimiser step (the global batch)."""
    microbatch: Positive
    """Sequences in one forward-backward pass; must divide `sequences`."""

    @model_validator(mode="after")
    def _microbatch_divides_batch(self) -> Batch:
        if self.sequences % self.microbatch:
            raise ValueError(
                f"microbatch={self.microbatch} does not divide sequences={self.sequences}; "
                f"nearest that do: {_nearest_divisors(self.sequences, self.microbatch)}"
            )
        return self

    @property
    def slots(self) -> int:
        """Microbatches in one optimiser step; the gradient is a fixed binary tree over them."""
        return self.sequences // self.microbatch


def valid_processes(slots: int) -> list[int]:
    """Numbers of processes that can share the slots: the powers of two that divide them."""
    return [2**k for k in range(slots.bit_length()) if slots % 2**k == 0]


class Optimizer(Section):
    """AdamW over every parameter: biases, norms and embeddings are decayed too."""

    learning_rate: Annotated[float, Field(gt=0)]
    """Peak learning rate."""
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    """Decay rates of the two moment estimates."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the second moment."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Decoupled weight decay."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Clip the gradient's global norm at this value; null leaves it alone."""
    fused: bool = True
    """Use PyTorch's fused AdamW kernel."""


class Schedule(Section):
    """Learning rate as a multiple of the peak, by step."""

    kind: Literal["constant", "warmup-cosine"] = "constant"
    """`constant`, or linear warm-up followed by a cosine down to `final`."""
    warmup: Fraction = 0.05
    """Share of all steps spent warming up (rounded down)."""
    start: Annotated[float, Field(gt=0, le=1)] = 1e-5
    """Multiple of the peak at the first step of the warm-up."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Multiple of the peak that the cosine ends at."""


Precision = Literal[
    "float32",
    "tf32",
    "float16-amp",
    "bfloat16-amp",
    "float16-amp-no-tf32",
    "bfloat16-amp-no-tf32",
]
"""`float32` (no TF32), `tf32`, or autocast with float32 weights: 16-bit products, TF32 for what
autocast leaves in float32 (`-no-tf32`: not even there). float16 scales the loss."""


class BaselineRecipe(Section):
    """A study's `recipe:`; a run adds its two seeds."""

    model: Model
    """The architecture."""
    data: Data
    """The tokens it reads."""
    batch: Batch
    """How many at a time."""
    optimizer: Optimizer
    """How a gradient becomes a step."""
    schedule: Schedule = Schedule()
    """How the learning rate moves."""
    init: Literal["keyed", "reference"] = "keyed"
    """How initial weights are drawn: `keyed` by (init_seed, parameter name), or one generator in
    the order of the `reference` implementation."""
    precision: Precision = "float32"
    """Arithmetic of the forward and backward pass: `float32` without TF32, `tf32`, or autocast with
    float32 weights and TF32 for what it leaves in float32 (`-no-tf32`: not even there)."""
    attention: Literal["explicit", "sdpa"] = "explicit"
    """`explicit` masks, softmax and dropout as published, or PyTorch's fused `sdpa`."""
    compile: bool = False
    """Compile the model with `torch.compile`, on a CPU its loss too: faster on GPUs, and other
    bits."""
    reduction: Literal["ordered", "allreduce"] = "ordered"
    """How gradients are summed over slots: `ordered` by a fixed tree, with the same bits for any
    number of processes, or `allreduce` by DistributedDataParallel, as published, with no such
    promise."""
    threads: Positive = 1
    """CPU threads of one training process; part of the recipe because sums depend on it."""


class Recipe(BaselineRecipe):
    """A fully resolved recipe."""

    init_seed: Seed
    """Seed of the initial weights."""
    train_seed: Seed
    """Seed of everything after (dropout)."""
    continues: str | None = None
    """Recipe digest of the run whose final weights this one starts from; null: from `init`."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of every field."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def tokens_per_step(self) -> int:
        return self.batch.sequences * self.model.context

    @property
    def steps(self) -> int:
        """Optimiser steps: training tokens rounded up to whole steps."""
        return -(-self.data.train_tokens // self.tokens_per_step)

    @property
    def stop_token(self) -> int:
        """Where a run that goes on from this one starts reading: this one's last target."""
        return self.data.start_token + self.steps * self.tokens_per_step

    @property
    def last_token(self) -> int:
        """One past the last token that the run reads (the last target is a token of its own)."""
        return self.stop_token + 1

    @property
    def start(self) -> str:
        """Name of the initial weights: runs with the same `start` share one file."""
        return f"{self.model.architecture}-{self.init}-{self.init_seed}"


def flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mapping to one level with dotted keys: `{"a": {"b": 1}}` to `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat.update(flatten(inner, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = inner
    return flat


def written(value: Any) -> str:
    """A recipe's value as one would write it in the config."""
    return value if isinstance(value, str) else json.dumps(value)


def difference(recipe: BaselineRecipe, other: BaselineRecipe) -> dict[str, list[Any]]:
    """Dotted keys in which two recipes differ, sorted, each with both values; but for the seeds."""
    seeds = {"init_seed", "train_seed"}
    before, after = (
        flatten(recipe.model_dump(exclude=seeds)),
        flatten(other.model_dump(exclude=seeds)),
    )
    return {key: [before[key], after[key]] for key in sorted(before) if before[key] != after[key]}
