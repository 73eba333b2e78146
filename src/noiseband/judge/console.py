"""Show the progress of a round on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from noiseband.duration import duration

PAUSE = 1.0
"""Seconds between two lines."""


class Console:
    """Prints how many questions of a round are judged, on a terminal only."""

    def __init__(self, name: str, stream: TextIO = sys.stderr) -> None:
        self.name = name
        self.stream = stream
        self.start = self.shown = time.perf_counter()

    def __call__(self, done: int, questions: int, status: str) -> None:
        """Report that `done` questions are judged; `status` is the judge's text for the line."""
        now = time.perf_counter()
        if not self.stream.isatty() or now - self.shown < PAUSE:
            return
        self.shown = now
        left = (now - self.start) / done * (questions - done)
        line = f"{self.name}  question {done:>{len(str(questions))}}/{questions}  {status}"
        print(f"{line.rstrip()}  {duration(left)} left", file=self.stream)
