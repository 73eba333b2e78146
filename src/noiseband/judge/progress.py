"""Show the progress of a round: a line now and then on a terminal, and nothing elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from noiseband.duration import duration

PAUSE = 1.0
"""Seconds between two lines."""


class Progress:
    """Counts the questions that are done."""

    def __init__(self, name: str, questions: int, stream: TextIO = sys.stderr) -> None:
        self.name = name
        self.questions = questions
        self.count = 0
        self.stream = stream
        self.start = self.shown = time.perf_counter()

    def done(self, status: str) -> None:
        """Count one more question; `status` is the judge's text for the line."""
        self.count += 1
        now = time.perf_counter()
        if not self.stream.isatty() or now - self.shown < PAUSE:
            return
        self.shown = now
        left = (now - self.start) / self.count * (self.questions - self.count)
        width = len(str(self.questions))
        line = f"{self.name}  question {self.count:>{width}}/{self.questions}  {status}"
        print(f"{line.rstrip()}  {duration(left)} left", file=self.stream)
