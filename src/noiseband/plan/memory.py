"""Estimate how much memory of one device a recipe needs, part by part.

The parts of fixed size are exact. Activations follow Korthikanti et al. 2022 (Reducing Activation
Recomputation in Large Transformer Models, section 4.1): in 16-bit arithmetic a block keeps, for
each token, 34 bytes for each of its `width` numbers and 5 bytes for each head and key. In 32 bits
everything except the dropout masks doubles. Fused attention keeps no scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache

from noiseband.determinism import ARITHMETIC
from noiseband.ideas.decorators import MEMORY
from noiseband.ideas.load import idea
from noiseband.model import attention, feed_forward, norms
from noiseband.model.attention import AttentionKind
from noiseband.model.gpt import parameter_shapes
from noiseband.study.architecture import Model
from noiseband.study.plugins import is_idea
from noiseband.study.recipe import Recipe
from noiseband.train.optimizers.groups import grouped
from noiseband.train.tree import leaves

GIB = 2**30
OVERHEAD = 1.36
"""The driver's figure divided by the sum of the parts; the rest is the allocator's cache and the
libraries' workspaces. It is the published 43.8 GiB of full float32 at microbatch 12, divided by the
32.2 GiB of its parts."""


@dataclass(frozen=True)
class Memory:
    """The memory of a recipe on one device, in bytes."""

    weights: int
    optimizer: int
    """What the optimiser remembers: two moments of AdamW, one momentum of Muon or SGD."""
    gradient: int
    partial_sums: int
    """The partial sums in the gradient's tree over slots, and the buckets for the exchange."""
    activations: int
    """The activations of one microbatch, including the logits and their gradient."""
    moving_averages: int = 0
    """Moving averages of the weights, which only the first process holds."""

    @property
    def parts(self) -> dict[str, int]:
        """The bytes of each part that there is and of the overhead, by name."""
        each = {field.name.replace("_", " "): getattr(self, field.name) for field in fields(self)}
        known = {name: size for name, size in each.items() if size or name != "moving averages"}
        return {**known, "overhead": self.total - sum(known.values())}

    @property
    def total(self) -> int:
        """The total as the driver would show it."""
        parts = [int(getattr(self, field.name)) for field in fields(self)]
        return round(OVERHEAD * sum(parts))


@cache
def parameter_count(model: Model) -> int:
    """The number of distinct parameters; a tied head counts once."""
    return sum(map(math.prod, parameter_shapes(model).values()))


def memory(recipe: Recipe, processes: int, averages: int = 0) -> Memory:
    """The memory of the first of the processes that share the recipe's slots.

    Args:
        averages: number of moving averages of the weights.
    """
    size = 4 * parameter_count(recipe.model)
    sums = leaves(recipe.batch.slots // processes).bit_length() - 1
    # DistributedDataParallel keeps buckets as large as the gradient; ours are a few megabytes.
    buckets = size if recipe.reduction == "allreduce" else 0
    return Memory(
        weights=size,
        optimizer=_optimizer(recipe),
        gradient=size,
        partial_sums=buckets + (sums * size if recipe.reduction == "ordered" else 0),
        activations=_activations(recipe),
        moving_averages=averages * size,
    )


def _optimizer(recipe: Recipe) -> int:
    """Bytes of the optimiser's memory, and of the copy of the weights that cautious decay makes."""
    shapes = parameter_shapes(recipe.model)
    copies = {"adamw": 2, "muon": 1, "sgd": 1}
    if is_idea(recipe.optimizer.kind):
        copies["idea"] = len(MEMORY[idea("optimizer", recipe.optimizer.kind, recipe.plugins)])
    cautious = int(recipe.optimizer.cautious)
    return 4 * sum(
        (copies[settings.algorithm] + cautious) * math.prod(shapes[name])
        for settings, names in grouped(recipe.optimizer, shapes).items()
        for name in names
    )


def _activations(recipe: Recipe) -> int:
    model = recipe.model
    wide = ARITHMETIC[recipe.precision].autocast is None
    # The logits (in 32 bits for the loss), their gradient, and the tensor that the loss keeps.
    logits = (12 if wide else 10) * model.vocabulary
    tokens = recipe.batch.microbatch * model.context
    return tokens * (activations_of_blocks(model, recipe.attention, wide) + logits)


def activations_of_blocks(model: Model, kind: AttentionKind, wide: bool) -> int:
    """Bytes that all blocks keep for each token, in 32 bits if `wide`, else in 16."""
    size, masks = 4 if wide else 2, 1 if model.dropout else 0
    numbers = 2 * norms.kept_numbers(model)
    numbers += attention.kept_numbers(model) + feed_forward.kept_numbers(model)
    block = size * numbers + 2 * masks * model.width
    if kind == "explicit":
        block += size * attention.kept_scores(model) + masks * model.heads * model.context
    return model.layers * block
