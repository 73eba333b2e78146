"""Convert between our parameters and the tensors of a class of `transformers` ("theirs").

One list of entries for each class serves both directions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.study.architecture import Model


@dataclass(frozen=True)
class Entry:
    """One of their tensors."""

    theirs: str
    ours: tuple[str, ...]
    """The names of our tensors that it consists of; none for one that our model lacks."""
    shape: tuple[int, ...]
    """The shape of their tensor."""
    turned: bool = False
    """Whether their tensor is ours transposed."""
    missing: float = 0.0
    """What their tensor is filled with if our model lacks it: then it changes nothing."""


@dataclass(frozen=True)
class Names:
    """The names by which a class of theirs goes."""

    architecture: str
    """The name of the class."""
    prefix: str
    """The prefix of all names except the head's, which a file may leave out."""
    embedding: str
    """The token embedding."""
    buffers: re.Pattern[str]
    """Tensors that old files store as if they were parameters."""


HEAD = "lm_head.weight"


def to_theirs(weights: Mapping[str, Tensor], entries: Sequence[Entry]) -> dict[str, Tensor]:
    """Convert our parameters to theirs; a tied head is left out."""
    found = {}
    for entry in entries:
        if not entry.ours:
            found[entry.theirs] = torch.full(entry.shape, entry.missing)
            continue
        joined = torch.cat([weights[name] for name in entry.ours])
        found[entry.theirs] = (joined.T if entry.turned else joined).contiguous()
    return found


def from_theirs(
    tensors: Mapping[str, Tensor],
    entries: Sequence[Entry],
    names: Names,
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    source: str,
) -> dict[str, Tensor]:
    """Convert their tensors to our parameters: float32, each in its own memory.

    Names may have the prefix or not, and buffers are ignored. Raises UserError, whose text begins
    with `source`, for tensors that are missing, unknown or of another shape.
    """

    def must(holds: bool, odd: Sequence[str], what: str) -> None:
        if not holds:
            more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
            raise UserError(
                f"{source}: not the {names.architecture} that the study describes: {odd[0]} "
                f"{what}{more}"
            )

    def full(name: str) -> str:
        return name if name.startswith(("lm_head.", names.prefix)) else names.prefix + name

    theirs = {full(name): tensor for name, tensor in tensors.items()}
    theirs = {name: value for name, value in theirs.items() if not names.buffers.fullmatch(name)}
    if model.tied and (head := theirs.pop(HEAD, None)) is not None:
        must(torch.equal(head, theirs.get(names.embedding, head[:0])), [HEAD], "is not tied")
    known = {entry.theirs for entry in entries}
    # What our model lacks may be missing there as well.
    needed = {entry.theirs for entry in entries if entry.ours}
    must(needed <= theirs.keys(), sorted(needed - theirs.keys()), "is missing")
    must(theirs.keys() <= known, sorted(theirs.keys() - known), "is unknown")
    parameters: dict[str, Tensor] = {}
    for entry in entries:
        if entry.theirs not in theirs:
            continue
        value = theirs[entry.theirs]
        said = f"is {tuple(value.shape)} {value.dtype}, should be {entry.shape} of floats"
        fits = tuple(value.shape) == entry.shape and value.dtype.is_floating_point
        must(fits, [entry.theirs], said)
        if not entry.ours:
            remedy = "; set qkv_bias: true" if "bias" in entry.theirs else ""
            constant = "zero" if entry.missing == 0 else "one"
            must(bool((value == entry.missing).all()), [entry.theirs], f"is not {constant}{remedy}")
            continue
        joined = (value.T if entry.turned else value).to(torch.float32)
        parts = torch.split(joined, [shapes[name][0] for name in entry.ours])
        parameters |= {
            name: part.clone(memory_format=torch.contiguous_format)
            for name, part in zip(entry.ours, parts, strict=True)
        }
    return parameters
