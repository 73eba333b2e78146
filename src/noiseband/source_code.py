"""The source files that decide a result: those of its stage, and everything that they import."""

from __future__ import annotations

import ast
import hashlib
import os
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent

# These modules affect a rule only through its params and its command, so they are not part of its
# code: editing a message of the command line must not retrain a model.
OUTSIDE = ("noiseband.study", "noiseband.cli", "noiseband.dag.workflow", "noiseband.source_code")


def source_files(*stages: str) -> list[str]:
    """Return the sorted source files of the stages (such as `train`, or `corpus.tokens` for one
    module) and of everything that they import from this package."""
    found: set[str] = set()
    queue = [module for stage in stages for module in _modules(f"noiseband.{stage}")]
    while queue:
        module = queue.pop()
        if module not in found and not module.startswith(OUTSIDE):
            found.add(module)
            queue += _imports(module)
    # The paths are relative, so that results stay up to date when a checkout is moved.
    return sorted(os.path.relpath(_file(module)) for module in found)


def code_digest(*stages: str) -> str:
    """SHA-256 over the source files of the stages, as `source_files` finds them. Each contributes
    its name relative to the package, a zero byte, its content's SHA-256 and a zero byte."""
    whole = hashlib.sha256()
    for file in source_files(*stages):
        path = Path(file)
        name = path.resolve().relative_to(PACKAGE.resolve()).as_posix()
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return whole.hexdigest()


def _file(module: str) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _modules(package: str) -> tuple[str, ...]:
    """A module, or a package with every module in it."""
    file = _file(package)
    if file.name != "__init__.py":
        return (package,)
    inner = [p for p in file.parent.iterdir() if p.suffix == ".py" and p.stem != "__init__"]
    return (package, *(f"{package}.{p.stem}" for p in inner))


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of this package that a module imports, including imports inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(_file(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    ours = (name for name in names if name.startswith("noiseband."))
    return tuple(sorted(name for name in ours if _file(name).exists()))
