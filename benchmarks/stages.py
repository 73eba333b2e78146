"""Compare generation, test loss and fine-tuning of the 163M model on a GPU with transformers.

This is a part of `python -m benchmarks.train_throughput --gpu`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import finetuning, generation, test_loss
from benchmarks.side_by_side import Contender, Measured, measure, ratios, table
from benchmarks.sizes import GPT2_SMALL, TINY
from noiseband.study import Study
from noiseband.study.params import TrainParams


@dataclass(frozen=True)
class Stage:
    """One comparison; noiseband is the first contender."""

    contenders: Mapping[str, Contender]
    tokens: float
    """Tokens in one step of the contenders."""
    block: int
    """Steps in one round."""
    tolerance: float
    """Relative difference that the contenders' first losses may have; 0 for generated texts."""


def stages(study: Study, tiny: bool) -> dict[str, Stage]:
    """The comparisons by name; with `tiny`, of a model that trains on any machine."""
    model = {**GPT2_SMALL, **(TINY if tiny else {}), "model.dropout": 0.0}
    shape = {name.removeprefix("model."): value for name, value in model.items()}
    writing = generation.Plan(shape, prompt=64, new=128, texts=16, uncached=False)
    if tiny:
        writing = generation.Plan(shape, prompt=4, new=4, texts=8, uncached=False)
    batch = {**model, "batch.sequences": 6, "batch.microbatch": 6, "precision": "float16-amp"}
    reading = test_loss.params_of(study, test_loss.Plan(batch, rounds=20, block=20), "sdpa")
    tuned = tuning(study, model)
    lengths = finetuning.lengths(tuned.recipe.model.context)
    return {
        "generation, 16 texts": Stage(
            generation.contenders(generation.params_for(writing), writing),
            writing.texts * writing.new,
            block=1,
            tolerance=0.0,
        ),
        "test loss, float16": Stage(
            {
                "noiseband": test_loss.Own(reading.text),
                "transformers, sdpa": test_loss.Transformers(reading.text, attention="sdpa"),
            },
            reading.recipe.tokens_per_step,
            block=20,
            tolerance=1e-3,
        ),
        "fine-tuning, float32": Stage(
            {
                "noiseband": finetuning.Noiseband(tuned.text),
                "transformers, sdpa": finetuning.Transformers(tuned.text),
            },
            statistics.mean(lengths) * finetuning.PROTOCOL.batch,
            block=8,
            tolerance=1e-3,
        ),
    }


def tuning(study: Study, model: dict[str, Any]) -> TrainParams:
    """Params of a model without dropout, with enough tokens for the rows."""
    changes = {**model, "model.dropout": 0.0, "batch.sequences": 8, "batch.microbatch": 8}
    plan = test_loss.Plan(changes, rounds=10, block=1)
    return test_loss.params_of(study, plan, "sdpa")


def compare(
    stage: Stage, rounds: int, until: float, keep: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Measure a stage, print its table, and return the same as data."""

    def so_far(found: dict[str, Measured]) -> dict[str, Any]:
        return {name: figures(stage, found, name) for name in found}

    found = measure(
        stage.contenders, rounds, stage.block, until=until, keep=lambda now: keep(so_far(now))
    )
    data = so_far(found)
    rows = [("contender", "tokens/s", "noiseband is", "agrees")]
    for name, one in data.items():
        rate, times = one["tokens_per_second"], one["noiseband_is_times_as_fast"]
        rows.append((name, f"{rate:,}", f"{times:.2f}x", "yes" if one["agrees"] else "NO"))
    print(f"{table(rows)}\n", flush=True)
    return data


def figures(stage: Stage, found: dict[str, Measured], name: str) -> dict[str, Any]:
    """The figures of one contender."""
    own, measured = next(iter(found.values())), found[name]
    middle, low, high = ratios(own, measured)
    pairs = zip(own.first_losses[:1], measured.first_losses[:1], strict=True)
    return {
        "tokens_per_second": round(
            stage.tokens * stage.block / statistics.median(measured.seconds)
        ),
        "noiseband_is_times_as_fast": round(middle, 3),
        "quartiles": [round(low, 3), round(high, 3)],
        "agrees": all(math.isclose(a, b, rel_tol=stage.tolerance) for a, b in pairs),
        "seconds_per_round": [round(s, 4) for s in measured.seconds],
    }
