"""A config file that changes another: `extends: other.yaml`, and the keys that differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.study.yaml_file import read_yaml

EXTENDS = "extends"
"""Key that names the other file, from the folder of the one that says it."""


def read_config(path: Path | str) -> Any:
    """A config file as plain data, over the one that it extends, if any.

    Raises UserError for a file that cannot be read, and for files that extend one another.
    """
    return extended(read_yaml(path), Path(path))


def extended(data: Any, path: Path) -> Any:
    """`data`, which stands in the file `path`, over what it extends."""
    chain = [path]
    layers = [data]
    while isinstance(layers[-1], dict) and EXTENDS in layers[-1]:
        other = layers[-1][EXTENDS]
        if not isinstance(other, str):
            raise UserError(f"{chain[-1]}: extends: {other!r}: give the path of a config file")
        chain.append(chain[-1].parent / other)
        if chain[-1].resolve() in {one.resolve() for one in chain[:-1]}:
            files = " extends ".join(map(str, chain))
            raise UserError(f"{files}: a circle; let one of them stand for itself")
        if not chain[-1].exists():
            raise UserError(
                f"{chain[-2]}: extends: {other!r}: no such file; the path starts at the folder of "
                f"{chain[-2].name}"
            )
        layers.append(read_yaml(chain[-1]))
    result = layers.pop()
    for layer in reversed(layers):
        changes = {key: value for key, value in layer.items() if key != EXTENDS}
        result = changed(result, changes) if isinstance(result, dict) else result
    return result


def changed(base: dict[Any, Any], changes: dict[Any, Any]) -> dict[Any, Any]:
    """`base` with mappings changed key by key and everything else replaced, lists too. Null takes
    a mapping or a list away."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = changed(old, value)
        elif isinstance(old, dict | list) and value is None:
            del result[key]
        else:
            result[key] = value
    return result
