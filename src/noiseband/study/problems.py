"""Mistakes in a config file, in the words of the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from noiseband.errors import UserError


@dataclass(frozen=True)
class Problem:
    """One mistake: where, what stands there, and what to do."""

    key: str
    """Dotted path of keys."""
    value: Any
    """What stands there; None where it says nothing."""
    remedy: str

    def __str__(self) -> str:
        where = self.key or "the whole file"
        if self.value is None or isinstance(self.value, dict):
            return f"{where}: {self.remedy}"
        text = json.dumps(self.value, default=str)
        return f"{where}: {text if len(text) <= 60 else text[:57] + '...'}: {self.remedy}"


class StudyError(UserError):
    """Everything wrong with a config file, one line a problem."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        super().__init__("\n".join([f"{source}: {count}", *(f"  {p}" for p in problems)]))


def nearest(value: str, names: Iterable[str]) -> str:
    """`did you mean x?`, or all the valid names where none is near."""
    valid = list(names)
    near = get_close_matches(value, valid, n=1, cutoff=0.4)
    return f"did you mean {near[0]}?" if near else f"valid: {', '.join(valid) or 'none'}"


def unknown_names(key: str, value: str, names: Iterable[str]) -> list[Problem]:
    """A problem where `value` is not one of the names."""
    valid = list(names)
    return [] if value in valid else [Problem(key, value, f"no such name; {nearest(value, valid)}")]


# Pydantic puts the branch of a union into the path; nobody wrote it in the file.
_SIMPLE = {"int", "float", "str"}
_BRANCHES = {"dict", "list", *_SIMPLE, *(f"constrained-{name}" for name in _SIMPLE)}


def from_pydantic(error: ValidationError, section: str, model: type[BaseModel]) -> list[Problem]:
    """One problem for each key that pydantic complains about.

    Args:
        section: key under which the validated value stands in the file.
        model: the model of the whole file, for the names that would have been valid.
    """
    found: dict[str, Problem] = {}
    for detail in error.errors():
        places = [str(place) for place in detail["loc"]]
        parts = [
            section,
            *(p for p in places if re.fullmatch(r"[\w.-]+", p) and p not in _BRANCHES),
        ]
        key = ".".join(parts)
        value = detail["input"]
        if detail["type"] == "extra_forbidden":
            remedy = f"unknown key; {nearest(parts[-1], _fields_at(parts[:-1], model))}"
        elif detail["type"] == "missing":
            remedy, value = "missing; this section needs it", None
        else:
            message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
            remedy = message[0].lower() + message[1:]
        if key in found and found[key].value == value:
            # One complaint for each branch of a union: any of them would do.
            others = found[key].remedy
            remedy = others if others == remedy else f"{others}, or {remedy}"
        found[key] = Problem(key, value, remedy)
    return list(found.values())


def _fields_at(path: list[str], model: type[BaseModel]) -> list[str]:
    """Names of the fields of the config models that may lie at a key path."""
    models = [model]
    for part in path:
        infos = [one.model_fields[part] for one in models if part in one.model_fields]
        models = [found for info in infos for found in _models_in(info.annotation)] or models
    return list(dict.fromkeys(name for one in models for name in one.model_fields))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The config models in a type such as `dict[str, A | B] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models_in(inner)]
