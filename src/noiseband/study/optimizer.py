"""The optimiser and the learning rate schedule of a recipe."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from noiseband.errors import nearest
from noiseband.study.plugins import BUILT_IN, EITHER, IDEA
from noiseband.study.section import ADDED, FixedMapping, Fraction, Section

KINDS = ("embeddings", "head", "norms", "biases", "matrices")
"""Kinds of parameters. A kind may be empty, as that of the head is in a tied model."""


class Muon(Section):
    """Muon for the weights of the linear layers inside the blocks."""

    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Peak learning rate of these matrices; null means that of the optimiser."""
    momentum: Fraction = 0.95
    """Share of the old momentum in the new one."""
    nesterov: bool = True
    """Whether a step looks ahead along the momentum."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Decoupled weight decay of these matrices; null means that of the optimiser."""
    iterations: Annotated[int, Field(gt=0, lt=100)] = 5
    """Newton-Schulz iterations that make a step nearly orthogonal."""
    scale: Literal["original", "match_rms_adamw"] = "match_rms_adamw"
    """How a step grows with the matrix, by PyTorch's names: `original` multiplies it by
    sqrt(max(1, rows / columns)), and `match_rms_adamw` by 0.2 sqrt(max(rows, columns)), with which
    AdamW's learning rate and weight decay fit (Liu et al. 2025)."""


class ParameterGroup(Section):
    """Parameters with a learning rate or a weight decay of their own."""

    parameters: Annotated[str, Field(min_length=1)]
    """`embeddings`, `head`, `norms`, `biases`, `matrices` (the weights of linear layers inside the
    blocks), or a pattern of names with `*`, such as `trf_blocks.*.att.*`."""
    multiple: Annotated[float, Field(gt=0)] = 1.0
    """Their learning rate as a multiple of that of other parameters."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """Their weight decay; null means that of other parameters."""

    @field_validator("parameters")
    @classmethod
    def _is_a_kind_or_a_pattern(cls, value: str) -> str:
        if value not in KINDS and "." not in value and "*" not in value:
            raise ValueError(f"{value!r} is no kind of parameters; {nearest(value, KINDS)}")
        return value


class Optimizer(Section):
    """The optimiser; without `groups`, weight decay is on every parameter, including biases, norms
    and embeddings."""

    learning_rate: Annotated[float, Field(gt=0)]
    """Peak learning rate."""
    kind: Annotated[Annotated[Literal["adamw", "muon", "sgd"], BUILT_IN] | IDEA, EITHER, ADDED] = (
        "adamw"
    )
    """`adamw`; `muon` for the matrices inside the blocks and AdamW for all other parameters;
    `sgd`, gradient descent with momentum; or an idea of `plugins`."""
    options: Annotated[FixedMapping, ADDED] = {}
    """The options of an idea."""
    betas: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    """Decay rates of AdamW's two moment estimates."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Constant that AdamW adds to the square root of the second moment."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    """Decoupled weight decay. With `sgd` it is added to the gradient, as PyTorch does."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest global norm of the gradient, at which it is clipped; null turns clipping off."""
    fused: bool = True
    """Whether to use PyTorch's fused AdamW kernel."""
    muon: Annotated[Muon, ADDED] = Muon()
    """With `kind: muon`, its own settings."""
    momentum: Annotated[Fraction, ADDED] = 0.9
    """With `kind: sgd`, the share of the old momentum in the new one."""
    groups: Annotated[list[ParameterGroup], ADDED] = []
    """Groups of parameters. A parameter belongs to the first group that contains it."""
    cautious: Annotated[bool, ADDED] = False
    """Whether weights decay only where the step also goes towards zero (Chen et al. 2025). The
    decay is then decoupled with `sgd` as well."""


class Schedule(Section):
    """The learning rate of each step, as a multiple of the peak."""

    kind: Annotated[
        Annotated[
            Literal[
                "constant", "warmup-cosine", "warmup-linear", "warmup-stable-decay", "inverse-sqrt"
            ],
            BUILT_IN,
        ]
        | IDEA,
        EITHER,
    ] = "constant"
    """`constant`, or a linear warm-up followed by a cosine or a straight line to `final`, by a
    plateau and then a decay to `final`, or by the inverse square root of the step; or an idea of
    `plugins`, for which the other keys have no meaning."""
    options: Annotated[FixedMapping, ADDED] = {}
    """The options of an idea."""
    warmup: Fraction = 0.05
    """Share of all steps spent warming up, rounded down to whole steps."""
    start: Annotated[float, Field(ge=0, le=1)] = 1e-5
    """Multiple of the peak at the first step of the warm-up."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Multiple of the peak at the end."""
    decay: Annotated[Fraction, ADDED] = 0.2
    """With `warmup-stable-decay`, the share of all steps at the end in which the rate falls,
    rounded down to whole steps. With 0 it stays at the peak after the warm-up."""
    shape: Annotated[Literal["linear", "sqrt"], ADDED] = "linear"
    """With `warmup-stable-decay`, how the rate falls: along a straight line, or as one minus the
    square root, fast at first."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Schedule:
        if self.kind == "warmup-stable-decay" and self.warmup + self.decay > 1:
            raise ValueError(
                f"warmup={self.warmup:g} and decay={self.decay:g} are more than all steps; "
                "make their sum at most 1"
            )
        return self
