"""Learning rate by step."""

from __future__ import annotations

import math

from noiseband.study.recipe import Recipe


def learning_rate(recipe: Recipe, step: int) -> float:
    """Learning rate of optimiser step `step`, counted from 0.

    `warmup-cosine` rises linearly from `start` times the peak to the peak over the first
    `warmup` share of steps. Then it follows half a cosine towards `final` times the peak, which it
    would reach one step after the last. This is the closed form of PyTorch's LinearLR followed by
    CosineAnnealingLR.
    """
    peak, schedule = recipe.optimizer.learning_rate, recipe.schedule
    if schedule.kind == "constant":
        return peak
    warmup = int(schedule.warmup * recipe.steps)
    if step < warmup:
        return peak * (schedule.start + (1.0 - schedule.start) * step / warmup)
    progress = (step - warmup) / (recipe.steps - warmup)
    floor = peak * schedule.final
    return floor + (peak - floor) * (1.0 + math.cos(math.pi * progress)) / 2.0
