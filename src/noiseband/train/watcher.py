"""The interface for watching a run. A watcher must not have any effect on the weights."""

from __future__ import annotations

import sys
from collections.abc import Callable

from noiseband.io.traces import Row
from noiseband.train.launch.processes import Processes
from noiseband.train.trainer import Job


class Watcher:
    """Gets the events of a run in its first process. This base class only prints messages;
    `account.Account`, which the command uses, also records progress and timing."""

    def __init__(self, job: Job, processes: Processes) -> None:
        self.job = job
        self.processes = processes

    def begin(self, step: int) -> None:
        """Called when training starts or resumes, after `step` steps."""

    def say(self, text: str) -> None:
        """Print a message."""
        print(text, file=sys.stderr)

    def step(self, row: Row) -> None:
        """Called after each step."""

    def end(self) -> None:
        """Called when the last step is done and the results are written."""

    def close(self) -> None:
        """Called when the process leaves the run, finished or not."""


Watch = Callable[[Job, Processes], Watcher]
"""A function that makes the watcher of a run; the work folder exists by then."""
