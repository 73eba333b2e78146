"""The digest of the code that decides a stage's result.

It covers the stage's modules and every module of the package that they import, also inside
functions. The syntax tree of each module is hashed without the parts that only people read:
formatting, comments, docstrings and the words of errors. An edit of those reruns nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from noiseband.io.syntax import Module, read_module

PACKAGE = Path(__file__).parents[1]

OUTSIDE = ("noiseband.study", "noiseband.cli", "noiseband.dag", "noiseband.errors")
"""Modules that no digest covers. The first three affect a job only through its params and its
command, and `errors` only describes why there is no result."""


@cache
def code_digest(*stages: str) -> str:
    """The SHA-256 of the code that decides a result.

    Args:
        stages: names of modules or packages without `noiseband.`, such as `train.loop`.
    """
    whole = hashlib.sha256()
    for name in covered(*stages):
        whole.update(f"{name} {_module(name).sha256}\n".encode())
    return whole.hexdigest()


def covered(*stages: str) -> list[str]:
    """The names of the modules that decide the result of the stages, sorted."""
    found: set[str] = set()
    queue = [name for stage in stages for name in _inside(f"noiseband.{stage}")]
    while queue:
        name = queue.pop()
        if name not in found and not _outside(name):
            found.add(name)
            queue += (one for one in _module(name).imports if _ours(one))
    return sorted(found)


def _inside(name: str) -> Iterator[str]:
    """The name of a module, or of a package and its modules."""
    yield name
    file = _file(name)
    if file.name == "__init__.py":
        yield from (f"{name}.{path.stem}" for path in file.parent.glob("[!_]*.py"))


def _outside(name: str) -> bool:
    return any(f"{name}.".startswith(f"{one}.") for one in OUTSIDE)


@cache
def _ours(name: str) -> bool:
    """Whether an imported name is a module of this package, and not an object in one."""
    return name.startswith("noiseband.") and _file(name).exists()


def _file(name: str) -> Path:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _module(name: str) -> Module:
    return read_module(_file(name).read_text(encoding="utf-8"))
