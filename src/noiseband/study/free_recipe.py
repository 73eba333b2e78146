"""The recipe of a study whose runs a command makes: keys of the user's own."""

from __future__ import annotations

import hashlib
import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, RootModel, field_validator

from noiseband.study.section import canonical_json, flatten
from noiseband.study.seeds import RunSeeds


class FreeRecipe(RootModel[dict[str, Any]]):
    """The baseline's recipe: free keys, which may be nested. A run adds its seeds."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root", mode="after")
    @classmethod
    def _plain(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value:
            raise ValueError("is empty; write the values that the command reads")
        _check(value, "")
        seeds = [name for name in RunSeeds._fields if name in value]
        if seeds:
            raise ValueError(f"{seeds[0]}: noiseband sets it for each run; remove the key")
        return value

    def whole(self, exclude: object = None) -> dict[str, Any]:
        """A copy of every key, as plain data. It has no seeds that `exclude` could leave out."""
        return deepcopy(self.root)


def _check(value: Any, place: str) -> None:
    """Raise ValueError for a value that JSON cannot hold, or that has no dotted name."""
    if isinstance(value, dict):
        if place and not value:
            raise ValueError(f"{place}: has no keys; give it one, or remove it")
        for key, inner in value.items():
            if not isinstance(key, str) or not key or "." in key or not key.isprintable():
                raise ValueError(f"{place}{key!r}: a key should be text without dots; rename it")
            _check(inner, f"{place}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict):
                raise ValueError(f"{place}: a list of mappings has no dotted names; write keys")
            _check(inner, place)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place}: {value} is not a finite number; write a number")
    elif not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"{place}: {value!r} is not text, a number, true, false or null")


def free_difference(recipe: FreeRecipe, other: FreeRecipe) -> dict[str, list[Any]]:
    """Sorted dotted keys in which two recipes differ, each with both values.

    Values are compared as JSON, as the command reads them: 1, 1.0 and true are three values.
    """
    before, after = flatten(recipe.root), flatten(other.root)
    return {
        key: [before[key], after[key]]
        for key in sorted(before)
        if canonical_json(before[key]) != canonical_json(after[key])
    }


@dataclass(frozen=True)
class CommandRecipe:
    """The fully resolved recipe of a run that a command makes."""

    values: dict[str, Any]
    """The free keys."""
    seeds: RunSeeds
    taken: tuple[str, ...]
    """Names of the seeds that the command reads."""
    trainer: str
    """SHA-256 of the command and its files, which decide the result too."""

    def model_dump(self) -> dict[str, Any]:
        """What the command reads: its keys, and the seeds that it takes."""
        return {**deepcopy(self.values), **self.taken_seeds}

    def whole(self) -> dict[str, Any]:
        """The same as `model_dump`: no key is left out of a free recipe."""
        return self.model_dump()

    @property
    def taken_seeds(self) -> dict[str, int]:
        """The seeds that the command reads, by name."""
        return {name: getattr(self.seeds, name) for name in self.taken}

    @property
    def text(self) -> str:
        """Canonical JSON of all that decides the result."""
        return canonical_json({"recipe": self.model_dump(), "trainer": self.trainer})

    @property
    def digest(self) -> str:
        """SHA-256 of `text`."""
        return hashlib.sha256(self.text.encode()).hexdigest()
