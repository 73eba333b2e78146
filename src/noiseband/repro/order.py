"""Sort tensors in the order of the forward pass, so that the first different one is the origin."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The parts of tensor names (the reference's), in the order in which data flows through the model.
_FLOW = (
    "tokens", "weights",
    "tok_emb", "pos_emb", "emb_norm", "trf_blocks",
    "norm1", "att", "W_query", "W_key", "W_value", "q_norm", "k_norm", "out_proj",
    "norm2", "ff", "gate", "layers",
    "final_norm", "out_head",
    "weight", "bias", "scale", "shift",
    "first_moment", "second_moment", "updates",
)  # fmt: skip
_RANK = {part: rank for rank, part in enumerate(_FLOW)}


def in_forward_order(names: Iterable[str]) -> list[str]:
    """Sort names by layer, and within a layer by the order of the forward pass.

    Numbers in names sort by value. Parts of names that are not in `_FLOW` come last.
    """
    return sorted(names, key=_key)


def _key(name: str) -> list[tuple[int, int, str]]:
    return [_part(part) for part in re.split(r"[./]", name)]


def _part(part: str) -> tuple[int, int, str]:
    if part.isdecimal():
        return -1, int(part), part
    return _RANK.get(part, len(_RANK)), 0, part
