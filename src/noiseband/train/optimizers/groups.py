"""The groups of parameters that one optimiser updates in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, cast

from noiseband.errors import UserError
from noiseband.study.optimizer import KINDS, Optimizer
from noiseband.study.plugins import is_idea

Algorithm = Literal["adamw", "muon", "sgd", "idea"]


@dataclass(frozen=True)
class Settings:
    """How a parameter is updated."""

    algorithm: Algorithm
    multiple: float
    """Its learning rate as a multiple of that of its algorithm."""
    weight_decay: float


def grouped(options: Optimizer, shapes: Mapping[str, Sequence[int]]) -> dict[Settings, list[str]]:
    """The parameters that share each of the settings, in the order of `shapes`.

    Args:
        options: the optimiser of a recipe.
        shapes: the shapes of all parameters by name.

    Raises:
        UserError: the pattern of a group matches no parameter.
    """
    found: dict[Settings, list[str]] = {}
    matched: set[int] = set()
    every = list(shapes)
    for name, shape in shapes.items():
        kind = kind_of(name, len(shape))
        fits = [
            number
            for number, group in enumerate(options.groups)
            if group.parameters == kind or fnmatchcase(name, group.parameters)
        ]
        matched.update(fits)
        group = options.groups[fits[0]] if fits else None
        algorithm = cast(Algorithm, "idea" if is_idea(options.kind) else options.kind)
        if algorithm == "muon" and kind != "matrices":
            algorithm = "adamw"
        decay = options.weight_decay
        if algorithm == "muon" and options.muon.weight_decay is not None:
            decay = options.muon.weight_decay
        if group is not None and group.weight_decay is not None:
            decay = group.weight_decay
        settings = Settings(algorithm, group.multiple if group else 1.0, decay)
        found.setdefault(settings, []).append(name)
    for number, group in enumerate(options.groups):
        if number not in matched and options.groups[number].parameters not in KINDS:
            raise UserError(
                f"recipe.optimizer.groups[{number}].parameters: {group.parameters!r} is no "
                f"parameter of the model; its parameters have names such as {every[-1]!r}"
            )
    return found


def kind_of(name: str, dimensions: int = 2) -> str:
    """The kind of a parameter, one of `KINDS`, by its name and the number of its dimensions.

    `matrices` are the weights of the linear layers inside the blocks. An idea may have parameters
    that are none of the five; they count as `biases`.
    """
    owner, _, attribute = name.rpartition(".")
    if owner in ("tok_emb", "pos_emb") or f"{owner}.".startswith("positions."):
        return "embeddings"
    if owner == "out_head":
        return "head"
    if "norm" in owner:
        return "norms"
    return "biases" if attribute == "bias" or dimensions != 2 else "matrices"
