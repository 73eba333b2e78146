"""The tiny recipe with which an idea is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from noiseband.study.architecture import Model
from noiseband.study.ideas import with_code
from noiseband.study.optimizer import Optimizer
from noiseband.study.plugins import Idea, Plugin
from noiseband.study.recipe import BaselineRecipe, Batch, Data, Recipe
from noiseband.study.seeds import run_seeds

STEPS = 6
SEQUENCES, MICROBATCH = 8, 2
IN_MODEL = ("feed_forward", "norm", "positions", "attention")
"""The parts that a model consists of."""
BYTES = 256


@dataclass(frozen=True)
class Subject:
    """An idea to check, with the options that it is given."""

    plugin: Plugin
    idea: Idea
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the idea in a config."""
        return f"{self.plugin.stem}.{self.idea.name}"

    @property
    def trains(self) -> bool:
        """Whether the idea is part of training. A metric is not."""
        return self.idea.part != "metric"

    @property
    def recipe(self) -> Recipe:
        """A few steps of a tiny model with the idea. Raises pydantic's ValidationError."""
        section = {"kind": self.name, "options": dict(self.options)}
        part = self.idea.part
        model: dict[str, Any] = {
            "vocabulary": BYTES, "context": 16, "width": 16, "heads": 2, "layers": 2,
        }  # fmt: skip
        optimizer: dict[str, Any] = {"learning_rate": 0.01}
        rest: dict[str, Any] = {}
        if part in IN_MODEL:
            model[part] = section
        elif part == "optimizer":
            optimizer |= section
        elif self.trains:
            rest[part] = section
        tokens = STEPS * SEQUENCES * int(model["context"])
        recipe = BaselineRecipe.model_validate(
            {
                "model": Model.model_validate(model),
                "data": Data(corpus="random", train_tokens=tokens),
                "batch": Batch(sequences=SEQUENCES, microbatch=MICROBATCH),
                "optimizer": Optimizer.model_validate(optimizer),
                **rest,
            }
        )
        return Recipe.of(with_code(recipe, [self.plugin.path]), run_seeds(42))
