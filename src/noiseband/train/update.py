"""The update of the weights: gradient clipping, and the optimiser of each group of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from noiseband.ideas.load import idea
from noiseband.study.optimizer import Optimizer
from noiseband.train.flat import FlatParameters
from noiseband.train.optimizers.adamw import AdamW
from noiseband.train.optimizers.cautious import Cautious
from noiseband.train.optimizers.groups import Settings, grouped
from noiseband.train.optimizers.muon import Muon
from noiseband.train.optimizers.own import Own
from noiseband.train.optimizers.sgd import Sgd
from noiseband.train.optimizers.state import views_for


class Rates(NamedTuple):
    """The learning rates of a step."""

    learning_rate: float
    muon: float | None = None
    """That of Muon's matrices; None in a recipe without Muon."""


class Update:
    """Clips the gradient in `flat.grad` and updates `flat.weights`."""

    def __init__(
        self, flat: FlatParameters, options: Optimizer, plugins: Mapping[str, str] | None = None
    ) -> None:
        """
        Args:
            flat: the weights and their gradient.
            options: the optimiser of a recipe.
            plugins: those of the recipe, for an optimiser that is an idea.

        Raises:
            UserError: the pattern of a group matches no parameter, or an idea fails.
        """
        self.flat, self.options, self.plugins = flat, options, plugins or {}
        groups = grouped(options, {name: shape for name, (_, shape) in flat.slices.items()})
        self.names = list(groups.values())
        """The names of each group's parameters."""
        self.tensors = [
            self._tensors(names, settings, len(groups)) for settings, names in groups.items()
        ]
        """The tensors that each group's optimiser updates."""
        self.groups = [
            (settings, self._optimizer(settings, tensors))
            for settings, tensors in zip(groups, self.tensors, strict=True)
        ]
        self.limit = math.inf if options.clip_norm is None else options.clip_norm
        """The largest norm that a gradient keeps; longer gradients are scaled down to it."""
        fused = options.kind == "adamw" and options.fused and not options.cautious
        self.waits = flat.device.type == "cpu" or not fused
        """Whether an update waits for the norm of the gradient. On a GPU the fused kernel reads the
        norm itself, so that a step waits for the GPU only once, for the trace."""

    def apply(self, rates: Rates, norm: Tensor) -> None:
        """Clip the gradient and update the weights, unless the norm is not finite.

        Args:
            rates: the learning rates of this step.
            norm: float32 scalar, the norm of `flat.grad`.
        """
        scale = found_inf = None
        if self.waits:
            length = float(norm)
            if not math.isfinite(length):
                return
            if length > self.limit:
                self.flat.grad.mul_(self.limit / length)
        else:
            scale = (norm / self.limit).clamp(min=1.0) if self.limit < math.inf else None
            found_inf = (~norm.isfinite()).float()
        for settings, optimizer in self.groups:
            rate = rates.muon if settings.algorithm == "muon" else rates.learning_rate
            assert rate is not None  # a recipe with Muon has Muon's rate
            if isinstance(optimizer, AdamW):
                optimizer.step(settings.multiple * rate, grad_scale=scale, found_inf=found_inf)
            else:
                optimizer.step(settings.multiple * rate)

    def state(self) -> dict[str, Tensor]:
        """The optimisers' memory and the number of updates; empty before the first update."""
        first = self.groups[0][1]
        return {**self.memory(), "updates": first.updates[0]} if first.updates else {}

    def memory(self) -> dict[str, Tensor]:
        """The optimisers' memory as flat tensors, which may be written to, by name. With several
        groups, the number of the group comes first."""
        several = len(self.groups) > 1
        return {
            f"{number}.{name}" if several else name: tensor
            for number, (_, optimizer) in enumerate(self.groups)
            for name, tensor in optimizer.memory.items()
        }

    def begin(self, updates: float) -> None:
        """Make `memory`, all zeros, as after `updates` updates."""
        for _, optimizer in self.groups:
            optimizer.begin(updates)

    def views(self, name: str, memory: Tensor) -> dict[str, Tensor]:
        """Views of one of the tensors of `memory`, or of its copy, by the parameters' names."""
        number = int(name.partition(".")[0]) if len(self.groups) > 1 else 0
        tensors = self.tensors[number]
        if tensors[0] is self.flat.weights:
            return self.flat.views(memory)
        return dict(zip(self.names[number], views_for(tensors, memory), strict=True))

    def _tensors(self, names: list[str], settings: Settings, groups: int) -> list[Tensor]:
        """The weights to update, each with its gradient: one flat tensor if that is possible."""
        if groups == 1 and settings.algorithm not in ("muon", "idea"):
            return [self.flat.weights]
        weights = self.flat.views(self.flat.weights)
        gradients = self.flat.views(self.flat.grad)
        tensors = []
        for name in names:
            tensor = weights[name].detach()
            tensor.grad = gradients[name]
            tensors.append(tensor)
        return tensors

    def _optimizer(
        self, settings: Settings, tensors: list[Tensor]
    ) -> AdamW | Muon | Sgd | Own | Cautious:
        options = self.options
        decay = 0.0 if options.cautious else settings.weight_decay
        optimizer: AdamW | Muon | Sgd | Own
        if settings.algorithm == "muon":
            optimizer = Muon(tensors, options.muon, weight_decay=decay)
        elif settings.algorithm == "idea":
            function = idea("optimizer", options.kind, self.plugins)
            optimizer = Own(tensors, options.kind, function, options.options, weight_decay=decay)
        elif settings.algorithm == "sgd":
            optimizer = Sgd(tensors, momentum=options.momentum, weight_decay=decay)
        else:
            optimizer = AdamW(
                tensors,
                betas=(options.betas[0], options.betas[1]),
                eps=options.eps,
                weight_decay=decay,
                fused=options.fused,
            )
        return Cautious(optimizer, settings.weight_decay) if options.cautious else optimizer
