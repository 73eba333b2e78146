"""Strict reading of YAML files as plain data."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from noiseband.errors import UserError

LARGEST = 100_000
"""Most values in a file, with aliases written out. It is far more than any study has."""


_TAG = "tag:yaml.org,2002:"
_OCTAL = re.compile(r"[-+]?0[0-7_]*[0-7][0-7_]*")


class _Loader(yaml.SafeLoader):
    """Safe YAML that rejects duplicate keys, aliases that multiply or contain themselves, and what
    YAML reads in another way than people do: `042`, `42:40`, `2026-01-02`, an item called `no`."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _size(node, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            # PyYAML's own errors about `2001-13-45`, `!!int x` and `!!bool maybe`.
            kind = node.tag.removeprefix(_TAG)
            text = repr(node.value)
            text = text if len(text) <= 60 else text[:57] + "..."
            raise yaml.constructor.ConstructorError(
                None, None, f"{text} is not a valid {kind}; put text in quotes", node.start_mark
            ) from error
        if isinstance(node, yaml.ScalarNode) and node.style is None:
            _refuse_numbers(node, value)
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                _refuse_words(item)
        return value


def _refuse_numbers(node: yaml.ScalarNode, value: Any) -> None:
    """Raise ConstructorError for octal and base-60 numbers, and for dates."""
    text, kind = node.value, node.tag.removeprefix(_TAG)
    if kind == "int" and _OCTAL.fullmatch(text):
        decimal = int(text.replace("_", ""))
        problem = (
            f"YAML reads {text} as an octal number, {value}; if you mean {decimal}, write that"
        )
    elif kind in ("int", "float") and ":" in text:
        problem = f"YAML reads {text} as {value}, in base 60; write {value}, or put text in quotes"
    elif kind == "timestamp":
        problem = f"YAML reads {text} as a date; put it in quotes"
    else:
        return
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _refuse_words(node: yaml.Node) -> None:
    """Raise ConstructorError for a name, a key or an item of a list, that YAML reads as no text."""
    kind = node.tag.removeprefix(_TAG)
    if isinstance(node, yaml.ScalarNode) and node.style is None and kind in ("bool", "null"):
        text = node.value
        read = "null" if kind == "null" else str(_Loader.bool_values[text.lower()]).lower()
        problem = f'YAML reads {text} as {read}; if it is a name, put it in quotes: "{text}"'
        if not text:
            problem = "there is nothing here; write a value, or remove the line"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Number of values in a node. Raises ConstructorError if it is infinite or above LARGEST."""
    known = sizes.get(id(node))
    if known == 0:
        problem = "an alias (*) refers to a value that contains it; write the value out"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    if known is not None:
        return known
    sizes[id(node)] = 0
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    parts = [one for part in inner for one in (part if isinstance(part, tuple) else (part,))]
    size = 1 + sum(_size(part, sizes) for part in parts)
    if size > LARGEST:
        problem = f"more than {LARGEST:,} values with aliases (*) written out; use fewer aliases"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    sizes[id(node)] = size
    return size


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == f"{_TAG}merge":
            continue  # The keys of `<<: *other` may appear again.
        if not isinstance(key_node, yaml.ScalarNode):
            problem = "a list or a mapping cannot be a key; write a name"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        _refuse_words(key_node)
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"the key {key!r} appears twice; merge the two, or remove one",
                key_node.start_mark,
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(f"{_TAG}map", _mapping)


def read_yaml(path: Path | str) -> Any:
    """Return a YAML file as plain data. Raises UserError with file and line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path}: cannot read the config ({error.strerror}); give its path with --config"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    try:
        return yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise UserError(f"{path}: not a config: nested too deeply; remove brackets") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = str(getattr(error, "problem", error))
        if problem.startswith("expected <block end>"):
            problem = (
                "this line does not fit the lines above it; indent keys of one level equally, here "
                "or just above"
            )
        kind = "" if isinstance(error, yaml.constructor.ConstructorError) else "not YAML: "
        raise UserError(f"{where}: {kind}{problem}") from error
