"""Learning rates by step."""

from __future__ import annotations

import math
from numbers import Real

from noiseband.errors import UserError
from noiseband.ideas.load import idea
from noiseband.study.optimizer import Schedule
from noiseband.study.plugins import is_idea
from noiseband.study.recipe import Recipe
from noiseband.train.update import Rates


def rates(recipe: Recipe, step: int) -> Rates:
    """The learning rates of optimiser step `step`, counted from 0."""
    options = recipe.optimizer
    rate = _rate(recipe, options.learning_rate, step)
    if options.kind != "muon":
        return Rates(rate)
    return Rates(rate, _rate(recipe, options.muon.learning_rate or options.learning_rate, step))


def _rate(recipe: Recipe, peak: float, step: int) -> float:
    """The learning rate of a step, whose highest is `peak`. Raises UserError if an idea gives no
    multiple of it."""
    schedule = recipe.schedule
    if not is_idea(schedule.kind):
        return scheduled(schedule, peak, recipe.steps, step)
    function = idea("schedule", schedule.kind, recipe.plugins)
    multiple = function(step, recipe.steps, **schedule.options)
    if not isinstance(multiple, Real) or not 0.0 <= float(multiple) < math.inf:
        raise UserError(
            f"{schedule.kind}: gave {multiple!r} for step {step}; it should give a finite number "
            "that is not negative"
        )
    return peak * float(multiple)


def scheduled(schedule: Schedule, peak: float, steps: int, step: int) -> float:
    """The learning rate of step `step` of `steps`, counted from 0, whose highest is `peak`.

    All kinds except `constant` rise linearly from `start` times the peak to the peak over the first
    `warmup` share of steps. Then

    * `warmup-cosine` follows half a cosine towards `final` times the peak. It is the closed form of
      PyTorch's LinearLR followed by CosineAnnealingLR.
    * `warmup-linear` follows a straight line towards `final` times the peak.
    * `warmup-stable-decay` stays at the peak until the last `decay` share of steps, and there
      falls to `final` times the peak, along a straight line or along 1 - sqrt(progress) (Hägele et
      al. 2024).
    * `inverse-sqrt` divides the peak by the square root of (step / warm-up steps), as Vaswani et
      al. 2017 do.

    A fall reaches its end one step after the last.
    """
    if schedule.kind == "constant":
        return peak
    warmup = int(schedule.warmup * steps)
    if step < warmup:
        return peak * (schedule.start + (1.0 - schedule.start) * step / warmup)
    if schedule.kind == "inverse-sqrt":
        return peak * math.sqrt(max(warmup, 1) / max(step, 1))
    floor = peak * schedule.final
    if schedule.kind == "warmup-stable-decay":
        falling = int(schedule.decay * steps)
        progress = max(0, step - (steps - falling)) / max(falling, 1)
        if schedule.shape == "sqrt":
            progress = math.sqrt(progress)
        return floor + (peak - floor) * (1.0 - progress)
    progress = (step - warmup) / (steps - warmup)
    if schedule.kind == "warmup-linear":
        return floor + (peak - floor) * (1.0 - progress)
    return floor + (peak - floor) * (1.0 + math.cos(math.pi * progress)) / 2.0
