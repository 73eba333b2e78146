"""Config files that extend another: `extends: other.yaml`, and the keys that differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.study.yaml_file import read_yaml

EXTENDS = "extends"
"""Key that names the other file, relative to the folder of the file that contains the key."""


def read_config(path: Path | str) -> Any:
    """Return a config file as plain data, merged over the file that it extends, if any.

    Raises UserError if a file cannot be read, or if files extend one another in a circle.
    """
    return extended(read_yaml(path), Path(path))


def extended(data: Any, path: Path) -> Any:
    """Return `data`, the content of the file `path`, merged over the files that it extends."""
    chain = [path]
    layers = [data]
    while isinstance(layers[-1], dict) and EXTENDS in layers[-1]:
        other = layers[-1][EXTENDS]
        if not isinstance(other, str):
            raise UserError(f"{chain[-1]}: extends: {other!r}: give the path of a config file")
        chain.append(chain[-1].parent / other)
        if chain[-1].resolve() in {one.resolve() for one in chain[:-1]}:
            files = " extends ".join(map(str, chain))
            raise UserError(f"{files}: a circle; remove `extends` from one of them")
        if not chain[-1].exists():
            raise UserError(
                f"{chain[-2]}: extends: {other!r}: no such file; give its path relative to the "
                f"folder of {chain[-2].name}"
            )
        layers.append(read_yaml(chain[-1]))
    result = layers.pop()
    for layer in reversed(layers):
        changes = {key: value for key, value in layer.items() if key != EXTENDS}
        result = changed(result, changes) if isinstance(result, dict) else result
    return result


def changed(base: dict[Any, Any], changes: dict[Any, Any]) -> dict[Any, Any]:
    """Return `base` with `changes` applied: mappings are merged key by key, and everything else is
    replaced, including lists. Null removes a mapping or a list."""
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
