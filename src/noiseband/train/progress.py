"""What a person sees of a run: one line a step on a terminal, a durable log beside it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TextIO

from noiseband.duration import duration
from noiseband.trace import Row


class Progress:
    """Writes every step to the log; shows it on `stream` in place if that is a terminal."""

    def __init__(
        self, run: str, steps: int, tokens_per_step: int, log: Path, stream: TextIO = sys.stderr
    ) -> None:
        self.run = run
        self.steps = steps
        self.tokens_per_step = tokens_per_step
        self.log = open(log, "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
        self.stream = stream
        self.terminal = stream.isatty()
        self.started = self.shown = time.perf_counter()
        self.done = 0

    def say(self, text: str) -> None:
        """A line that is worth keeping on the screen too."""
        self.log.write(text + "\n")
        self.log.flush()
        print(text, file=self.stream)

    def step(self, row: Row) -> None:
        """One finished step."""
        self.done += 1
        now = time.perf_counter()
        rate = self.done * self.tokens_per_step / (now - self.started)
        left = (self.steps - row.step - 1) * self.tokens_per_step / rate
        marks = (" clipped" if row.clipped else "") + (" SKIPPED" if row.skipped else "")
        line = (
            f"{self.run}  step {row.step + 1}/{self.steps}  loss {row.loss:.4f}  "
            f"lr {row.learning_rate:.3e}  norm {row.gradient_norm:.3f}  "
            f"{rate:,.0f} tokens/s  {duration(left)} left{marks}"
        )
        self.log.write(line + "\n")
        # Ten lines a second are enough for eyes, and writing them all would slow a small model.
        if self.terminal and (now - self.shown > 0.1 or row.step + 1 == self.steps):
            self.shown = now
            self.stream.write(f"\r\033[2K{line}")
            self.stream.flush()

    def close(self) -> None:
        if self.terminal and self.done:
            self.stream.write("\n")
        self.log.close()
