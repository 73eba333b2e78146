"""noiseband: did my change help, or is it noise?

As a library, it judges measurements from anywhere (`docs/api.md`):

>>> import noiseband as nb
>>> nb.verdicts(frame, baseline="main")  # doctest: +SKIP
>>> nb.load("results")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noiseband.errors import UserError

if TYPE_CHECKING:
    from noiseband.referee.answer import Answer, verdicts
    from noiseband.referee.load import load

__all__ = ["Answer", "UserError", "load", "verdicts"]

_MODULES = {
    "Answer": "noiseband.referee.answer",
    "load": "noiseband.referee.load",
    "verdicts": "noiseband.referee.answer",
}


def __getattr__(name: str) -> Any:
    # Imported when they are used, because pandas and SciPy take a second.
    if name not in _MODULES:
        raise AttributeError(f"module 'noiseband' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
