"""Show the progress of a fine-tuning, and of answering, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from noiseband.duration import duration
from noiseband.finetune.watcher import Watcher

INTERVAL = 2.0
"""Seconds between two lines within an epoch."""


class Console(Watcher):
    """Prints lines on a terminal during an epoch and at its end; prints nothing elsewhere."""

    def __init__(
        self, what: str, epochs: int, stream: TextIO = sys.stderr, interval: float = INTERVAL
    ) -> None:
        self.what, self.epochs = what, epochs
        self.stream, self.terminal = stream, stream.isatty()
        self.interval = interval
        self.began = self.epoch_began = self.said = time.perf_counter()

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Report that step number `step` of `steps` is done; `loss` is the step's own loss."""
        now = time.perf_counter()
        if step == 1:
            self.epoch_began = self.said
        if now - self.said >= self.interval and step < steps:
            left = (now - self.epoch_began) / step * (steps - step)
            self._say(
                f"epoch {epoch}/{self.epochs}  step {step}/{steps}  loss {loss:.4f}  "
                f"{duration(left)} left of the epoch"
            )
            self.said = now

    def epoch(self, epoch: int, train_loss: float, validation_loss: float) -> None:
        """Report that an epoch is done."""
        self.said = time.perf_counter()
        self._say(
            f"epoch {epoch}/{self.epochs}  train {train_loss:.4f}  "
            f"validation {validation_loss:.4f}  {duration(self.said - self.began)}"
        )

    def _say(self, text: str) -> None:
        if self.terminal:
            print(f"{self.what}  {text}", file=self.stream, flush=True)


class AnswerConsole:
    """Prints a line on a terminal for each batch of answers; prints nothing elsewhere."""

    def __init__(self, what: str, stream: TextIO = sys.stderr) -> None:
        self.what, self.stream = what, stream
        self.began = time.perf_counter()

    def __call__(self, done: int, questions: int) -> None:
        """Report that `done` of the questions are answered."""
        if self.stream.isatty():
            left = (time.perf_counter() - self.began) * (questions - done) / done
            text = f"{self.what}  answer {done}/{questions}  {duration(left)} left"
            print(text, file=self.stream)
