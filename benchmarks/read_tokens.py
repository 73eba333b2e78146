"""Measure the cost of reading a 20 GB token file: its share of a step's time, and its memory.

python -m benchmarks.read_tokens
"""

from __future__ import annotations

import json
import statistics
import struct
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.contenders import Noiseband
from benchmarks.machine import anonymous_memory
from noiseband.corpus.token_file import open_tokens
from noiseband.study import load_study
from noiseband.study.params import TrainParams
from noiseband.train.data import TokenWindow
from noiseband.train.loop import take_step

SIZE = 20_000_000_000
BATCHES = 2_000


def main() -> None:
    study = load_study(Path("config/config.yaml"))
    params = TrainParams.of(study, study.runs[study.config.baseline])
    trainer = Noiseband(params.text).trainer()
    recipe = params.recipe
    seconds = []
    for _ in range(60):
        begin = time.perf_counter()
        take_step(trainer)
        seconds.append(time.perf_counter() - begin)
    step = statistics.median(seconds[10:])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tokens.safetensors")
        _sparse(file)
        before = anonymous_memory()
        tokens = open_tokens(file)
        data = recipe.data.model_copy(update={"train_tokens": len(tokens) - recipe.tokens_per_step})
        recipe = recipe.model_copy(update={"data": data})
        window = TokenWindow(tokens, recipe, torch.device("cpu"))
        # Steps are read one after another, as in a run, from the middle of an uncached file.
        begin = time.perf_counter()
        for number in range(BATCHES):
            for slot in range(recipe.batch.slots):
                window.batch(recipe.steps // 2 + number, slot)
        reading = (time.perf_counter() - begin) / BATCHES
        # For the memory, steps are read from all over the file.
        for number in range(0, recipe.steps, recipe.steps // BATCHES):
            window.batch(number, 0)
        more = anonymous_memory() - before
    print(f"a step           {step * 1e3:8.3f} ms")
    print(f"reading for it   {reading * 1e3:8.3f} ms, {reading / step:.2%} of the step")
    print(f"anonymous memory {more / 1e6:8.3f} MB more for a file of {SIZE / 1e9:.0f} GB")


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
