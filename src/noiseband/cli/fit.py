"""`noiseband fit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError

from noiseband.cli import app
from noiseband.cli.options import DEFAULT_CONFIG, Config, RunName, find_run
from noiseband.errors import UserError
from noiseband.gpus import reserve
from noiseband.study import load_study, params
from noiseband.study.recipe import valid_processes

if TYPE_CHECKING:
    from noiseband.train.fit import Candidate


@app.command()
def fit(
    config: Config = DEFAULT_CONFIG,
    run: RunName = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory limit, such as 8GB; default: the free memory.")
    ] = None,
) -> None:
    """Find by trial the largest microbatch that fits the device and divides the global batch.

    Example: `noiseband fit --config config/config.yaml --memory 8GB`

    For each microbatch, a fresh process trains a few steps of a run (default: the baseline). Exits
    with 1 if not even the smallest microbatch fits.
    """
    limit = None if memory is None else _bytes(memory)
    study = load_study(config)
    chosen = find_run(study, run or study.config.baseline)
    given = params.TrainParams.of(study, chosen)
    reserve(1, f"fit {given.run}")

    from noiseband.determinism import pick_device
    from noiseband.processor import device_name
    from noiseband.train.fit import fit as try_all
    from noiseband.train.fit import microbatches
    from noiseband.train.memory import available_memory

    device, processes = pick_device(), study.processes(chosen)
    if limit is None:
        limit = available_memory(device)
    shown = "unknown memory" if limit is None else f"{limit / 1e9:.1f} GB"
    sizes = ", ".join(map(str, microbatches(given.recipe, processes)))
    print(f"{device_name(device)}, {shown}; candidates: {sizes}", file=sys.stderr)

    line = "{:>10}  {:>5}  {:>12}  {:>11}  {:>9}"
    print(line.format("microbatch", "slots", "processes", "peak memory", "tokens/s"))
    tried: list[Candidate] = []
    for one in try_all(given, processes, limit):
        tried.append(one)
        batch, found = one.recipe.batch, one.outcome
        most = valid_processes(batch.fewest_slots)[-1]
        peak = "too large" if found is None else f"{found.peak_memory / 1e9:.2f} GB"
        rate = "" if found is None else f"{found.tokens_per_second:,.0f}"
        upto = "1" if most == 1 else f"up to {most}"
        print(line.format(batch.microbatch, batch.slots, upto, peak, rate), flush=True)
    if not any(one.outcome for one in tried):
        least = tried[-1].recipe.batch.microbatch
        print(f"not even microbatch {least} fits; use a smaller model or context")
        sys.exit(1)
    print()
    print(_verdict(given.recipe.batch.microbatch, tried, config))


def _verdict(own: int, tried: list[Candidate], config: Path) -> str:
    rates = [(one.outcome.tokens_per_second, one.recipe) for one in tried if one.outcome]
    best = max((recipe for _, recipe in rates), key=lambda recipe: recipe.batch.microbatch)
    _, fastest = max(rates, key=lambda pair: pair[0])
    before = next(one.recipe for one in tried if one.recipe.batch.microbatch == own)
    largest = best.batch.microbatch
    text = f"Largest microbatch that fits: {largest}"
    if largest == own:
        text += ", the recipe's own."
    else:
        text += (
            f"; the recipe's is {own}.\nAnother microbatch is another recipe: its digest changes "
            f"from {before.digest[:16]} to {best.digest[:16]},\nall its runs are trained again, "
            "and their bits cannot be compared with those of the old runs;\nprocesses that can "
            f"share its slots: at most {valid_processes(best.batch.fewest_slots)[-1]}, not "
            f"{valid_processes(before.batch.fewest_slots)[-1]}.\n"
            f"To adopt it, write in {config}: recipe: batch: microbatch: {largest}"
        )
    if fastest.batch.microbatch != largest:
        text += f"\nFastest microbatch tried: {fastest.batch.microbatch}."
    return text


def _bytes(text: str) -> int:
    try:
        return TypeAdapter(ByteSize).validate_python(text)
    except ValidationError:
        raise UserError(f"--memory {text}: not a size; write it as 8GB or 8000000000") from None
