"""Adapters for the trackers to which a study's traces can be sent."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from noiseband.errors import UserError
from noiseband.tracking.track import Log, Tracker


@contextmanager
def tensorboard(study: str, run: str, recipe: dict[str, Any], folder: Path) -> Iterator[Log]:
    """Write event files to `<folder>/<run>`; a resumed run adds one."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise _missing("tensorboard") from error
    with SummaryWriter(folder / run) as writer:

        def log(step: int, values: dict[str, float]) -> None:
            for name, value in values.items():
                writer.add_scalar(f"train/{name}", value, step)

        writer.add_text("recipe", f"```\n{json.dumps(recipe, indent=2)}\n```")
        yield log


@contextmanager
def trackio(study: str, run: str, recipe: dict[str, Any], folder: Path) -> Iterator[Log]:
    """Log to a trackio project named after the study.

    It is in `folder`, or where TRACKIO_DIR, TRACKIO_SPACE_ID or TRACKIO_SERVER_URL say.
    """
    os.environ.setdefault("TRACKIO_DIR", str(folder.resolve()))  # trackio reads it on import
    try:
        import trackio as client
    except ImportError as error:
        raise _missing("trackio") from error
    # By default the load of this machine would be logged to every run, wherever it was trained.
    quiet: dict[str, Any] = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
    with redirect_stdout(sys.stderr):
        client.init(project=study, name=run, config=recipe, resume="allow", **quiet)
        try:
            yield lambda step, values: client.log(values, step=step)
        finally:
            client.finish()  # type: ignore[no-untyped-call]


TRACKERS: dict[str, Tracker] = {"tensorboard": tensorboard, "trackio": trackio}


def _missing(name: str) -> UserError:
    return UserError(f"--to {name}: it is not installed; run `pip install 'noiseband[{name}]'`")
