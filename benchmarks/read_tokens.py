"""Measure the cost of reading a 20 GB token file, in order and shuffled: CPU time as a share of a
step's, and memory. Both orders are read twice: the system maps and fills a page of the file when it
is first read, which costs more than everything else here, and finds it in memory from then on.

python -m benchmarks.read_tokens
"""

from __future__ import annotations

import json
import statistics
import struct
import tempfile
import time
from itertools import product
from pathlib import Path

import torch

from benchmarks.contenders import Noiseband
from benchmarks.machine import anonymous_memory
from noiseband.corpus.token_file import open_tokens
from noiseband.study import load_study
from noiseband.study.params import TrainParams
from noiseband.study.recipe import Recipe
from noiseband.study.runs import apply
from noiseband.train.data import TokenWindow
from noiseband.train.loop import take_step

SIZE = 20_000_000_000
STEPS = 500
ORDERS = ("sequential", "shuffled")


def main() -> None:
    study = load_study(Path("config/config.yaml"))
    run = study.runs[study.config.baseline]
    step = _step(TrainParams.of(study, run).text)
    print(f"a step                       {step * 1e3:8.3f} ms")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tokens.safetensors")
        _sparse(file)
        before = anonymous_memory()
        tokens = open_tokens(file)
        windows = {}
        for order in ORDERS:
            train_tokens = len(tokens) - run.built_in.tokens_per_step
            changes = {"data.order": order, "data.train_tokens": train_tokens}
            recipe = Recipe.of(apply(study.config.built_in, changes), run.seeds)
            windows[order] = TokenWindow(tokens, recipe, torch.device("cpu"))
        # The orders take turns, so that both are measured under the same load.
        spent: dict[str, list[float]] = {order: [] for order in ORDERS}
        for _, order in product(range(6), ORDERS):
            spent[order].append(_reading(windows[order]))
        for order, (first, *again) in spent.items():
            for what, reading in (("first", first), ("again", statistics.median(again))):
                share = f"{reading / step:.2%} of the step"
                print(f"reading, {order:10} {what}    {reading * 1e3:8.3f} ms, {share}")
        # For the memory, steps are read from all over the file.
        for window in windows.values():
            for number in range(0, window.recipe.steps, window.recipe.steps // STEPS):
                window.batch(number, 0)
        more = anonymous_memory() - before
    size = f"a file of {SIZE / 1e9:.0f} GB"
    print(f"anonymous memory             {more / 1e6:8.3f} MB more for {size}")


def _step(params: str) -> float:
    """CPU time of a training step, in seconds."""
    trainer = Noiseband(params).trainer()
    seconds = []
    for _ in range(60):
        begin = time.process_time()
        take_step(trainer)
        seconds.append(time.process_time() - begin)
    return statistics.median(seconds[10:])


def _reading(window: TokenWindow) -> float:
    """CPU time of reading one step's tokens, in seconds: the mean over steps that follow one
    another, as in a run, from the middle of the run on."""
    recipe = window.recipe
    begin = time.process_time()
    for number in range(STEPS):
        for slot in range(recipe.batch.slots):
            window.batch(recipe.steps // 2 + number, slot)
    return (time.process_time() - begin) / STEPS


def _sparse(file: Path) -> None:
    """Write a sparse token file of zeros, which takes no disk space."""
    count = SIZE // 2
    entry = {"dtype": "U16", "shape": [count], "data_offsets": [0, 2 * count]}
    header = json.dumps({"tokens": entry}).encode()
    header += b" " * (-len(header) % 8)
    with open(file, "wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        out.truncate(8 + len(header) + 2 * count)


if __name__ == "__main__":
    main()
