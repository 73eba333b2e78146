"""YAML as plain data, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from noiseband.errors import UserError

LARGEST = 100_000
"""Values of a file, each alias counted as what it stands for: far more than any study has."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key written twice is an error, and so is what no study can be: aliases
    that multiply, or that hold themselves."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _size(node, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            # PyYAML's own complaints about `2001-13-45`, `!!int x` and `!!bool maybe`.
            kind = node.tag.removeprefix("tag:yaml.org,2002:")
            text = repr(node.value)
            text = text if len(text) <= 60 else text[:57] + "..."
            raise yaml.constructor.ConstructorError(
                None, None, f"{text} is no {kind}; put it in quotes if it is text", node.start_mark
            ) from error


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Values in a node. Raises ConstructorError where they are more than LARGEST or without end."""
    known = sizes.get(id(node))
    if known == 0:
        problem = "an alias (*) stands inside what it stands for"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    if known is not None:
        return known
    sizes[id(node)] = 0
    inner = node.value if isinstance(node, yaml.CollectionNode) else []
    parts = [one for part in inner for one in (part if isinstance(part, tuple) else (part,))]
    size = 1 + sum(_size(part, sizes) for part in parts)
    if size > LARGEST:
        problem = f"more than {LARGEST:,} values, aliases (*) written out; use fewer of them"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    sizes[id(node)] = size
    return size


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue  # `<<: *other`, whose keys may be there again
        if not isinstance(key_node, yaml.ScalarNode):
            problem = "a list or a mapping cannot be a key; write a name"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"the key {key!r} is there twice; merge the two, or remove one",
                key_node.start_mark,
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(path: Path | str) -> Any:
    """A YAML file as plain data. Raises UserError naming file and line."""
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
        raise UserError(f"{path}: not a config: nested too deep; remove brackets") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = str(getattr(error, "problem", error))
        if problem.startswith("expected <block end>"):
            problem = (
                "this line does not fit those above it; give keys of one level the same number of "
                "blanks, here or just above"
            )
        raise UserError(f"{where}: not YAML: {problem}") from error
