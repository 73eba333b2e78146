"""Seeds as they are written in a config."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from noiseband.study.section import Seed

SeedPair = Seed | Annotated[list[Seed], Field(min_length=2, max_length=2)]
"""One seed for both, or `[init_seed, train_seed]`."""


def _seeds(value: Any) -> Any:
    if not isinstance(value, list) or not all(_is_seed(one) for one in value):
        raise ValueError(
            "should be a list of seeds, such as [42, 22]; a seed is a whole number of at least 0, "
            "or [init_seed, train_seed]"
        )
    return value


def _is_seed(value: Any) -> bool:
    pair = value if isinstance(value, list) and len(value) == 2 else [value]
    return all(type(one) is int and one >= 0 for one in pair)


Seeds = Annotated[list[SeedPair], BeforeValidator(_seeds)]
"""The seeds of one intervention."""
