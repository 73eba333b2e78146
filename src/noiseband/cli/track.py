"""`noiseband track`."""

from __future__ import annotations

import shlex
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, EVERY, Config
from noiseband.study import load_study


class TrackerName(StrEnum):
    """The supported trackers."""

    TENSORBOARD = "tensorboard"
    TRACKIO = "trackio"


@app.command()
def track(
    to: Annotated[TrackerName, typer.Option(help="The tracker.")] = TrackerName.TENSORBOARD,
    config: Config = DEFAULT_CONFIG,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the tracker; default: <results>/work/<tracker>."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep sending until every run is finished.")
    ] = False,
) -> None:
    """Send the traces of a study's runs to a tracker, except for steps that it already has.

    Example: `noiseband track --to tensorboard --watch`

    Of a run that is still training, the steps so far are sent. Tracking has no effect on the runs.
    The trackers are extras: `pip install -c constraints.txt -e '.[tensorboard]'`.
    """
    from noiseband.tracking.running import State, progress
    from noiseband.tracking.track import track as send
    from noiseband.tracking.trackers import TRACKERS

    study = load_study(config)
    folder = out or study.paths.work / to.value
    while True:
        # Checked before sending: rows that are written meanwhile are sent in the next round.
        finished = all(one.state in (State.TRAINED, State.FINISHED) for one in progress(study))
        for run, steps in send(study, TRACKERS[to], folder).items():
            print(f"{run}: {steps:,} steps", file=sys.stderr)
        if finished or not watch:
            break
        time.sleep(EVERY)
    print(_look(to, folder))


def _look(to: TrackerName, folder: Path) -> str:
    """The command that shows the tracked runs."""
    if to == TrackerName.TENSORBOARD:
        return shlex.join(["tensorboard", "--logdir", str(folder)])
    return f"TRACKIO_DIR={shlex.quote(str(folder.resolve()))} trackio show"
