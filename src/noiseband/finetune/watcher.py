"""The interface for watching a fine-tuning. A watcher must not have any effect on the weights."""

from __future__ import annotations


class Watcher:
    """Gets the events of a fine-tuning and ignores them; `console.Console` shows them."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Called after step number `step` of `steps`, with the loss of that step."""

    def epoch(self, epoch: int, train_loss: float, validation_loss: float) -> None:
        """Called after each epoch."""
