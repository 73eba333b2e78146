"""noiseband: did my change help, or is it noise?

As a library, it judges measurements from anywhere (`docs/api.md`):

>>> import noiseband as nb
>>> nb.verdicts(frame, baseline="main")  # doctest: +SKIP
>>> nb.load("results")  # doctest: +SKIP

In a plugin, its decorators declare ideas of one's own (`docs/ideas.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noiseband.errors import UserError

if TYPE_CHECKING:
    from noiseband.ideas.decorators import (
        attention,
        feed_forward,
        loss,
        metric,
        norm,
        optimizer,
        positions,
        schedule,
    )
    from noiseband.model.draws import ONE, ZERO, Draw
    from noiseband.model.layers import Embedding, Linear
    from noiseband.referee.answer import Answer, verdicts
    from noiseband.referee.load import load
    from noiseband.study.architecture import Model

__all__ = [
    "ONE", "ZERO", "Answer", "Draw", "Embedding", "Linear", "Model", "UserError", "attention",
    "feed_forward", "load", "loss", "metric", "norm", "optimizer", "positions", "schedule",
    "verdicts",
]  # fmt: skip

_DECORATORS = (
    "attention", "feed_forward", "loss", "metric", "norm", "optimizer", "positions", "schedule",
)  # fmt: skip
_MODULES = {
    "Answer": "noiseband.referee.answer",
    "load": "noiseband.referee.load",
    "verdicts": "noiseband.referee.answer",
    **dict.fromkeys(_DECORATORS, "noiseband.ideas.decorators"),
    **dict.fromkeys(("Draw", "ONE", "ZERO"), "noiseband.model.draws"),
    **dict.fromkeys(("Embedding", "Linear"), "noiseband.model.layers"),
    "Model": "noiseband.study.architecture",
}


def __getattr__(name: str) -> Any:
    # Imported when they are used, because pandas and SciPy take a second.
    if name not in _MODULES:
        raise AttributeError(f"module 'noiseband' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
