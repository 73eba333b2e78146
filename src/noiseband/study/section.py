"""The base class of every part of a config file, and its text."""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)

Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Fixed(dict[str, Any]):
    """A mapping that nothing changes, so that a section that has one can be the key of a cache."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(canonical_json(self))


def _fixed(value: dict[str, Any]) -> Fixed:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("should consist of text, numbers, true, false, null and lists") from None
    return Fixed(value)


FixedMapping = Annotated[dict[str, Any], AfterValidator(_fixed), Field(validate_default=True)]


ADDED = "added after 0.1.0"
"""Marks a field that 0.1.0 did not have: `Annotated[bool, ADDED] = False`. Its default is its
neutral value, with which a recipe does what it did before there was such a field."""


class Section(BaseModel):
    """Base of every config model: strict types, no unknown keys, immutable.

    A field that is marked as `ADDED` is left out of everything that is written while it has its
    neutral value, so that a new field changes no old digest and no old job.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        defer_build=True,  # most commands need few of the sections
    )

    @model_serializer(mode="wrap")
    def _without_neutral_fields(
        self, serialize: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        if info.context == WHOLE:
            return written
        neutral = {name for name, value in _added(type(self)) if getattr(self, name) == value}
        return {name: value for name, value in written.items() if name not in neutral}

    def whole(self, **options: Any) -> dict[str, Any]:
        """Every field, neutral ones included, as plain data; options of pydantic's `model_dump`."""
        return self.model_dump(context=WHOLE, **options)

    @property
    def text(self) -> str:
        """Canonical JSON, as which a rule passes a section to its command. Mappings are sorted."""
        return canonical_json(self.model_dump())


WHOLE = "every field"


@cache
def _added(section: type[BaseModel]) -> tuple[tuple[str, Any], ...]:
    """The fields of a section that are marked as `ADDED`, with their neutral values."""
    return tuple(
        (name, field.get_default(call_default_factory=True))
        for name, field in section.model_fields.items()
        if ADDED in field.metadata
    )


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, so that equal values give equal text everywhere."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a nested mapping to dotted keys: `{"a": {"b": 1}}` becomes `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat.update(flatten(inner, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = inner
    return flat


def written(value: Any) -> str:
    """A value as it is written in a config."""
    return value if isinstance(value, str) else json.dumps(value)
