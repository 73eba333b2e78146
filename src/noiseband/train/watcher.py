"""Who is told how a training goes. Nothing that is told may have an effect on the weights."""

from __future__ import annotations

import sys
from collections.abc import Callable

from noiseband.io.traces import Row
from noiseband.train.launch.processes import Processes
from noiseband.train.trainer import Job


class Watcher:
    """Hears of a run in its first process. This one passes on what is said, and no more;
    `account.Account`, which the command hands in, keeps the books."""

    def __init__(self, job: Job, processes: Processes) -> None:
        self.job = job
        self.processes = processes

    def begin(self, step: int) -> None:
        """The run goes on after so many steps."""

    def say(self, text: str) -> None:
        """Something that is worth a line."""
        print(text, file=sys.stderr)

    def step(self, row: Row) -> None:
        """A step is finished."""

    def end(self) -> None:
        """The last step is done and the results are written."""

    def close(self) -> None:
        """The process leaves the run, finished or not."""


Watch = Callable[[Job, Processes], Watcher]
"""What makes a watcher of a run whose work folder is there."""
