"""Run a plugin, whose code has to be that of a recipe, and find its ideas."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from noiseband.errors import PLUGINS, UserError, blamed
from noiseband.ideas.decorators import REGISTERED
from noiseband.study.plugins import code_sha256


def idea(part: str, kind: str, plugins: Mapping[str, str]) -> Callable[..., Any]:
    """The decorated function of a kind such as `ideas.mine`.

    Args:
        part: the name of its decorator.
        kind: the kind in the recipe.
        plugins: the files with the recipe's ideas, each with the digest of its code.

    Raises:
        UserError: the file is missing, has other code than the recipe, or fails.
    """
    stem, _, name = kind.partition(".")
    path = next((path for path in plugins if PurePosixPath(path).stem == stem), None)
    if path is None:
        raise UserError(f"{kind}: the recipe does not have the digest of the file of this {part}")
    module = loaded(path, plugins[path])
    found = REGISTERED.get((module, part, name))
    if found is None:
        raise UserError(f"{path}: has no {part} {name!r} when it runs, though its text names one")
    return found


@cache
def loaded(path: str, sha256: str) -> str:
    """Run a plugin once in this process; the name of its module. Raises UserError."""
    try:
        source = Path(path).read_text(encoding="utf-8-sig")
        digest = code_sha256(source)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}; the recipe uses an idea in this file: start in the folder "
            "in which the study runs"
        ) from None
    except SyntaxError as error:
        raise UserError(f"{path}:{error.lineno}: {error.msg}") from None
    if digest != sha256:
        raise UserError(
            f"{path}: is not the code of the recipe, whose digest is {sha256[:8]} and not "
            f"{digest[:8]}; if you changed it after the study started, start again"
        )
    # Not the name of a package, and another one for each file.
    name = f"noiseband_ideas_{PurePosixPath(path).stem}_{digest[:8]}"
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # dataclasses look their module up
    PLUGINS.add(path)
    try:
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # nosec B102
    except Exception as error:
        raise UserError(blamed(error) or f"{path}: {error}") from error
    return name
