"""The recipe: everything that decides a run's weights, and nothing else.

Each field is followed by its documentation, which the JSON schema and editors also show. A recipe's
digest covers every field here, so a field that cannot change the weights does not belong here, and
one that can must not be anywhere else.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from noiseband.study.architecture import Model, nearest_divisors
from noiseband.study.loss import Loss
from noiseband.study.optimizer import Optimizer, Schedule
from noiseband.study.plugins import is_idea
from noiseband.study.ramp import Batches, Ramp
from noiseband.study.section import ADDED, FixedMapping, Positive, Section, Seed, flatten
from noiseband.study.seeds import RunSeeds


class Data(Section):
    """The tokens that a run reads, as sequences of the model's context."""

    corpus: str
    """Name of an entry of `corpora`."""
    start_token: Annotated[int, Field(ge=0)] = 0
    """First token of the training split that the run reads."""
    train_tokens: Positive
    """Number of tokens to train on, rounded up to whole optimiser steps."""
    order: Annotated[Literal["sequential", "shuffled"], ADDED] = "sequential"
    """Order in which the run reads the sequences of these tokens: as they are in the split, or
    `shuffled`, in an order that its data_seed decides."""
    epochs: Annotated[Positive, ADDED] = 1
    """Number of times that the run reads the same tokens: `train_tokens` is what it reads in all,
    and it needs `train_tokens` / `epochs` of the split. If shuffled, each time has an order of its
    own."""
    packing: Annotated[Literal["contiguous", "best-fit"], ADDED] = "contiguous"
    """`contiguous` cuts the split into sequences wherever they end; with `best-fit` every sequence
    begins with the first token of a document, and `start_token` and `train_tokens` count the tokens
    of such sequences."""


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
                f"nearest that do: {nearest_divisors(self.sequences, self.microbatch)}"
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
    plugins: Annotated[FixedMapping, ADDED] = {}
    """The files of `plugins` with the recipe's ideas outside its model, each with the digest of its
    code, as noiseband fills it in. Not to be written in a config."""

    @model_validator(mode="after")
    def _fused_attention_has_no_softcap(self) -> BaselineRecipe:
        if self.attention == "sdpa" and self.model.attention.softcap is not None:
            raise ValueError(
                "attention: sdpa has no softcap of the scores; write attention: explicit, or "
                "remove model.attention.softcap"
            )
        return self

    @model_validator(mode="after")
    def _packed_data_start_with_a_sequence(self) -> BaselineRecipe:
        if problem := within_a_sequence(self):
            raise ValueError(f"data.start_token={self.data.start_token}: {problem}")
        return self

    @model_validator(mode="after")
    def _fused_attention_is_a_softmax(self) -> BaselineRecipe:
        if self.attention == "sdpa" and is_idea(self.model.attention.kind):
            raise ValueError(
                f"attention: sdpa is a softmax, and model.attention.kind is "
                f"{self.model.attention.kind}; write attention: explicit"
            )
        return self

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
        """Number of tokens that the run reads, in all epochs together."""
        return self.tokens_before(self.steps)

    @property
    def sequences(self) -> int:
        """Number of sequences that the run reads in one epoch, each of which is another one."""
        return -(-self.batches.before(self.steps) // self.data.epochs)

    @property
    def packed(self) -> int | None:
        """The context for which the data are packed; None if they are contiguous."""
        return self.model.context if self.data.packing == "best-fit" else None

    @property
    def stop_token(self) -> int:
        """Token where a run that continues this one starts reading: this run's last target, or the
        next packed sequence."""
        return self.data.start_token + self.sequences * self.model.context

    @property
    def last_token(self) -> int:
        """One past the last token that the run reads: the last target. A packed sequence has a last
        target of its own, which does not count."""
        return self.stop_token + (self.packed is None)

    @property
    def start(self) -> str:
        """Name of the initial weights. Runs with the same `start` share one file."""
        return f"{self.model.architecture}-{self.init}-{self.init_seed}"


def within_a_sequence(recipe: BaselineRecipe) -> str | None:
    """What is wrong with a start of packed data that is not the start of a sequence, and what to
    do; None if nothing is."""
    start, context = recipe.data.start_token, recipe.model.context
    if recipe.data.packing == "contiguous" or start % context == 0:
        return None
    near = nearest_multiple(start, context)
    return f"is within a packed sequence of {context} tokens; write a multiple, such as {near}"


def nearest_multiple(number: int, unit: int) -> int:
    """The multiple of `unit` that is nearest to a number."""
    return (number + unit // 2) // unit * unit


def difference(recipe: BaselineRecipe, other: BaselineRecipe) -> dict[str, list[Any]]:
    """Sorted dotted keys in which two recipes differ, each with both values. Ignores the seeds, and
    the digests of plugins, which follow from the keys that name ideas.

    A key that only one of them has, such as an option of an idea, is null in the other.
    """
    left_out = {**dict.fromkeys(RunSeeds._fields, True), "plugins": True}
    before, after = (
        flatten(one.whole(exclude={**left_out, "model": {"plugins": True}}))
        for one in (recipe, other)
    )
    return {
        key: [before.get(key), after.get(key)]
        for key in sorted(before | after)
        if before.get(key) != after.get(key)
    }
