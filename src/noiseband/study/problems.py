"""Mistakes in a config file, reported with the keys and values of the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, RootModel, Tag, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from noiseband.errors import UserError, nearest
from noiseband.io.hub_files import COMMIT
from noiseband.terminal import one_line

SECRET = re.compile("(?i)key|secret|passw|auth|credential|signature|(^|[_-])token$")
"""Names of keys and of URL parameters whose values are probably secret."""


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


@dataclass(frozen=True)
class Problem:
    """One mistake: its key, the value there, and what to do about it."""

    key: str
    """Path of keys, joined with dots."""
    value: Any
    """The value at that key; None if it would not help to show it."""
    remedy: str

    def __str__(self) -> str:
        where = _short(self.key, 200) or "the whole file"
        hidden = isinstance(self.value, str) and SECRET.search(self.key.rpartition(".")[2])
        if hidden or self.value is None or isinstance(self.value, dict):
            return one_line(f"{where}: {self.remedy}")
        text = _short(json.dumps(self.value, default=str), 60)
        return one_line(f"{where}: {text}: {self.remedy}")


class StudyError(UserError):
    """All problems of a config file, with one line for each."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        super().__init__("\n".join([f"{source}: {count}", *(f"  {p}" for p in problems)]))


def unknown_names(key: str, value: str, names: Iterable[str]) -> list[Problem]:
    """A list with one problem if `value` is not one of the names, and else an empty list."""
    valid = list(names)
    return [] if value in valid else [Problem(key, value, f"no such name; {nearest(value, valid)}")]


def secret(message: str) -> PydanticCustomError:
    """An error about a value that must not be shown, because it may contain a key."""
    return PydanticCustomError("secret", "{message}", {"message": message})


def address(text: str) -> SplitResult:
    """Return the parts of a URL. The error for an invalid URL does not show it."""
    try:
        return urlsplit(text)
    except ValueError:
        raise secret("not a URL; write https://host/path") from None


def check_place(repo: str | None, path: str | None, revision: str | None) -> None:
    """Raise ValueError unless something is either on the Hub, at a revision, or in a folder."""
    if (repo is None) == (path is None):
        raise ValueError("give either `repo` with `revision`, or `path`")
    if (repo is None) != (revision is None):
        raise ValueError("give `repo` and `revision` together; a revision is 40 hex digits")


def pinned(revision: str) -> bool:
    """Whether a revision is a commit: a branch or a tag may move."""
    return COMMIT.fullmatch(revision) is not None


# Pydantic puts the branch of a union into the path, although it is not in the file.
_SIMPLE = {"int", "float", "str"}
_BRANCHES = {
    "dict",
    "list",
    "built-in",
    "idea",
    *_SIMPLE,
    *(f"constrained-{name}" for name in _SIMPLE),
}

_RENAMED: dict[tuple[str, Any], str] = {("judge.kind", "reference"): "chrf"}
"""Kinds that an earlier version called otherwise."""

_PATTERNS = {
    "^[A-Za-z0-9][A-Za-z0-9._-]*$": (
        "should consist of letters, digits, '.', '_' and '-', and start with a letter or a digit"
    ),
    "^[A-Za-z0-9][A-Za-z0-9_-]*$": (
        "should consist of letters, digits, '_' and '-', and start with a letter or a digit"
    ),
    "^[A-Za-z_][A-Za-z0-9_]*\\.[A-Za-z0-9][A-Za-z0-9_-]*$": (
        "should be the name of a plugin, a dot and the name of an idea, such as ideas.mine"
    ),
    "^[0-9a-f]{64}$": "should be a SHA-256, 64 hexadecimal digits in lower case",
    "^[0-9a-f]{40}$": "should be a commit, 40 hexadecimal digits in lower case",
    r"^[\w.-]+/[\w.-]+$": "should be owner/name",
    r"^([\w.-]+/[\w.-]+|\.{0,2}/.*)$": (
        "should be owner/name of a data set on the Hub, or a folder that begins with ./, ../ or /"
    ),
}


def from_pydantic(error: ValidationError, section: str, model: type[BaseModel]) -> list[Problem]:
    """Return one problem for each key that pydantic reports.

    Args:
        section: key of the validated value in the file.
        model: the model of the whole file, for the names that would have been valid.
    """
    found: dict[str, Problem] = {}
    for detail in error.errors():
        places = [str(place) for place in detail["loc"]]
        kinds = _kinds(section, model)
        kind = kinds.get(places.pop(0)) if kinds and places else None
        parts = [
            section,
            *(p for p in places if re.fullmatch(r"[\w.-]+", p) and p not in _BRANCHES),
        ]
        key = ".".join(parts)
        value = detail["input"]
        if detail["type"] == "extra_forbidden":
            fields = _fields_at(parts[1:-1], kind) if kind else _fields_at(parts[:-1], model)
            remedy = f"unknown key; {nearest(parts[-1], fields)}"
            if parts[-1] in fields:
                remedy = _of_another_branch(detail, section, parts[-1], parts[:-1], model)
        elif detail["type"] == "missing":
            remedy, value = "missing; this section needs it", None
        elif detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
            key, value = f"{key}.kind", detail["ctx"].get("tag")
            valid = ", ".join(kinds) or detail["ctx"]["expected_tags"]
            remedy = f"{'missing' if value is None else 'no such kind'}; valid: {valid}"
            if (key, value) in _RENAMED:
                new = _RENAMED[key, value]
                remedy = f"this kind is now called {new}; write kind: {new}"
        else:
            remedy = _remedy(detail)
        if detail["type"] == "secret":
            value = None
        if key in found and found[key].value == value:
            # Pydantic reports each branch of a union, and satisfying any one of them is enough.
            others = found[key].remedy
            remedy = others if others == remedy else f"{others}, or {remedy}"
        found[key] = Problem(key, value, remedy)
    return list(found.values())


def _remedy(detail: ErrorDetails) -> str:
    """Pydantic's message in the terms of YAML."""
    value = detail["input"]
    wanted = {
        "string_type": "should be text",
        "dict_type": "should be keys with values",
        "model_type": "should be keys with values",
        "bool_type": "should be true or false",
    }.get(detail["type"])
    if detail["type"] == "string_pattern_mismatch":
        wanted = _PATTERNS.get(detail["ctx"]["pattern"])
    if detail["type"] == "too_short" and isinstance(value, dict):
        wanted = f"should have at least {detail['ctx']['min_length']} keys, not {len(value)}; add "
        wanted += "one" if len(value) else "them"
    if wanted is None:
        message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
        wanted = message[0].lower() + message[1:]
    if value is None and detail["type"] in ("dict_type", "model_type"):
        return f"is empty; it {wanted}"
    if detail["type"] == "string_type" and isinstance(value, int | float):
        return f'{wanted}: put it in quotes, "{value}"'
    if isinstance(value, str) and value.lower() == "none":
        return f"{wanted}; write null if you mean none"
    return wanted


def _kinds(section: str, model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The models of a section with several kinds, by `kind`, which pydantic puts first in the path.
    Empty for any other section."""
    info = model.model_fields.get(section)
    if info is None or info.discriminator != "kind":
        return {}
    return {
        name: kind
        for kind in get_args(info.annotation)
        for name in get_args(kind.model_fields["kind"].annotation)
    }


def _of_another_branch(
    detail: ErrorDetails, section: str, key: str, path: list[str], model: type[BaseModel]
) -> str:
    """The remedy for a key that another branch of a union has, such as another kind of corpus."""
    info, place = model.model_fields.get(section), detail["loc"]
    branch = dict(_tagged(info.annotation)).get(str(place[-2])) if info and place[1:] else None
    owners = [one for one in _models_at(path, model) if key in one.model_fields]
    for name, own in branch.model_fields.items() if branch else ():
        if own.is_required() and not any(name in one.model_fields for one in owners):
            return f"does not go with {name}; remove one of them"
    return "does not go with the other keys here; remove it, or them"


def _tagged(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """The tag and the model of each branch of unions in a type, and in the fields of its models."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for info in annotation.model_fields.values():
            yield from _tagged(info.annotation)
    for one in getattr(annotation, "__metadata__", ()):
        if isinstance(one, Tag):
            yield from ((one.tag, found) for found in _models_in(annotation))
    for inner in get_args(annotation):
        yield from _tagged(inner)


def _fields_at(path: list[str], model: type[BaseModel]) -> list[str]:
    """Names of the fields of all config models that may appear at a key path."""
    return list(dict.fromkeys(name for one in _models_at(path, model) for name in one.model_fields))


def _models_at(path: list[str], model: type[BaseModel]) -> list[type[BaseModel]]:
    """All config models that may appear at a key path."""
    models = [model]
    for part in path:
        infos = [one.model_fields[part] for one in models if part in one.model_fields]
        models = [found for info in infos for found in _models_in(info.annotation)] or models
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The config models in a type such as `dict[str, A | B] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [] if issubclass(annotation, RootModel) else [annotation]
    return [found for inner in get_args(annotation) for found in _models_in(inner)]
