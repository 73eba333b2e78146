"""Progress of a run: one line per step on the terminal, and the same lines in a log file."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from noiseband.duration import duration
from noiseband.io.traces import Row

WINDOW = 20
"""Number of steps for the shown rate: few enough that a slowdown of the machine shows."""


class Progress:
    """Writes every step to the log, and also to `stream` if that is a terminal."""

    def __init__(
        self,
        run: str,
        steps: int,
        tokens_before: Callable[[int], int],
        log: Path,
        peak_tokens_per_second: float | None = None,
        stream: TextIO = sys.stderr,
    ) -> None:
        self.run = run
        self.steps = steps
        self.tokens_before = tokens_before
        self.peak = peak_tokens_per_second
        self.log = open(log, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
        self.stream = stream
        self.terminal = stream.isatty()
        self.ends: deque[float] = deque([time.perf_counter()], maxlen=WINDOW + 1)
        self.first_end: float | None = None
        self.flushed = 0.0
        self.done = 0
        """Number of steps that this process has taken."""
        self.after = 0
        """Number of steps that the run has taken."""

    def say(self, text: str) -> None:
        """Write a message to the log and to `stream`."""
        self.log.write(text + "\n")
        self.log.flush()
        print(text, file=self.stream)

    def step(self, row: Row) -> None:
        """Write the line of a finished step."""
        self.done += 1
        self.after = row.step + 1
        now = time.perf_counter()
        self.ends.append(now)
        if self.first_end is None:
            self.first_end = now
        elif self.done == 2:
            self.ends.popleft()  # the first step warms up and compiles, so its time is not typical
        line = self._line(row)
        self.log.write(line + "\n")
        if now - self.flushed > 0.2:  # for `tail -f`, without a system call at every step
            self.flushed = now
            self.log.flush()
        if self.terminal:
            print(line, file=self.stream)

    def _line(self, row: Row) -> str:
        rate = self._tokens(len(self.ends) - 1) / (self.ends[-1] - self.ends[0])
        left = (self.tokens_before(self.steps) - self.tokens_before(self.after)) / rate
        share = "unknown" if self.peak is None else f"{rate / self.peak:.0%}"
        width = len(str(self.steps))
        marks = (" clipped" if row.clipped else "") + (" SKIPPED" if row.skipped else "")
        return (
            f"{self.run}  step {row.step + 1:>{width}}/{self.steps}  loss {row.loss:.4f}  "
            f"lr {row.learning_rate:.3e}  norm {row.gradient_norm:.3f}  "
            f"{rate:,.0f} tokens/s  peak {share}  {duration(left)} left{marks}"
        )

    @property
    def tokens_per_second(self) -> float | None:
        """Mean over this process's steps except the first; None before the second."""
        if self.first_end is None or self.done < 2:
            return None
        return self._tokens(self.done - 1) / (self.ends[-1] - self.first_end)

    def _tokens(self, steps: int) -> int:
        """The tokens of the last `steps` steps."""
        return self.tokens_before(self.after) - self.tokens_before(self.after - steps)

    def close(self) -> None:
        self.log.close()
