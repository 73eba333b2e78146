"""The groups of parameters that one optimiser updates in the same way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from noiseband.errors import UserError
from noiseband.study.optimizer import KINDS, Optimizer

Algorithm = Literal["adamw", "muon", "sgd"]


@dataclass(frozen=True)
class Settings:
    """How a parameter is updated."""

    algorithm: Algorithm
    multiple: float
    """Its learning rate as a multiple of that of its algorithm."""
    weight_decay: float


def grouped(options: Optimizer, names: Iterable[str]) -> dict[Settings, list[str]]:
    """The parameters that share each of the settings, in the order of `names`.

    Args:
        options: the optimiser of a recipe.
        names: the names of all parameters.

    Raises:
        UserError: the pattern of a group matches no parameter.
    """
    found: dict[Settings, list[str]] = {}
    matched: set[int] = set()
    every = list(names)
    for name in every:
        kind = kind_of(name)
        fits = [
            number
            for number, group in enumerate(options.groups)
            if group.parameters == kind or fnmatchcase(name, group.parameters)
        ]
        matched.update(fits)
        group = options.groups[fits[0]] if fits else None
        algorithm: Algorithm = options.kind
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


def kind_of(name: str) -> str:
    """The kind of a parameter, one of `KINDS`, by its name.

    `matrices` are the weights of the linear layers inside the blocks.
    """
    owner, _, attribute = name.rpartition(".")
    if owner in ("tok_emb", "pos_emb"):
        return "embeddings"
    if owner == "out_head":
        return "head"
    if "norm" in owner.rpartition(".")[2]:
        return "norms"
    return "biases" if attribute == "bias" else "matrices"
