"""Who is told how a fine-tuning goes."""

from __future__ import annotations


class Watcher:
    """Hears of steps and epochs, and has no say in them; `progress.Progress` shows them."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """One step of an epoch is done, number `step` of `steps`; `loss` is its own."""

    def epoch(self, epoch: int, train_loss: float, validation_loss: float) -> None:
        """An epoch is done."""
