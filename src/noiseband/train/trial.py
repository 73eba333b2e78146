"""Train a few steps of a recipe in a separate process, to see whether they fit into memory.

`python -m noiseband.train.trial` reads a `Request` as JSON from standard input and prints an
`Outcome`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import tiktoken
import torch
from pydantic import BaseModel

from noiseband.corpus.token_file import token_type
from noiseband.determinism import pick_device
from noiseband.study.params import TrainParams
from noiseband.study.ramp import Ramp
from noiseband.train.loop import take_step
from noiseband.train.memory import peak_memory
from noiseband.train.trainer import Job, Trainer

STEPS = 4
"""Number of steps; the first one warms up and compiles."""

TOO_LARGE = 3
"""Exit status of a trial that ran out of memory."""


class Request(BaseModel):
    params: TrainParams
    init: Path
    """Initial weights."""
    limit: int | None
    """Bytes of the device's memory that the trial may use; null for no limit."""


class Outcome(BaseModel):
    """Speed and memory of a trial that fits."""

    tokens_per_second: float
    peak_memory: int
    """Peak of the device's memory, in bytes."""


def trial(request: Request) -> Outcome | None:
    """Train a few steps in a fresh process; None if they need too much memory.

    Raises RuntimeError with the process's standard error if it failed for another reason.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", "noiseband.train.trial"],
        input=request.model_dump_json(),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(request.params.recipe.threads)},
    )
    if done.returncode in (TOO_LARGE, -9):  # -9: killed by the system when memory ran out
        return None
    if done.returncode:
        raise RuntimeError(f"the trial failed:\n{done.stderr}")
    return Outcome.model_validate_json(done.stdout)


def main() -> None:
    request = Request.model_validate_json(sys.stdin.read())
    device = pick_device()
    if request.limit is not None:
        _keep_under(request.limit, device)
    try:
        outcome = _run(request, device)
    except (torch.OutOfMemoryError, MemoryError):
        sys.exit(TOO_LARGE)
    except RuntimeError as error:
        if "DefaultCPUAllocator" in str(error):
            sys.exit(TOO_LARGE)
        raise
    if request.limit is not None and outcome.peak_memory > request.limit:
        sys.exit(TOO_LARGE)
    print(outcome.model_dump_json())


def _run(request: Request, device: torch.device) -> Outcome:
    recipe = request.params.recipe
    train_tokens = STEPS * recipe.tokens_per_step
    plain = {"start_token": 0, "train_tokens": train_tokens, "epochs": 1, "packing": "contiguous"}
    data = recipe.data.model_copy(update=plain)
    # Full batches from the first step on, which need the most memory.
    batch = recipe.batch.model_copy(update={"ramp": Ramp()})
    recipe = recipe.model_copy(update={"data": data, "batch": batch})
    generator = np.random.Generator(np.random.PCG64(0))
    vocabulary, count = recipe.model.vocabulary, recipe.last_token
    byte_ranks = {bytes([byte]): byte for byte in range(256)}
    nowhere = Path(os.devnull)  # a trainer on its own writes no files
    job = Job(
        params=request.params.model_copy(update={"recipe": recipe}),
        tokens=generator.integers(0, vocabulary, count, dtype=token_type(vocabulary)),
        encoding=tiktoken.Encoding(
            "bytes", pat_str=".", mergeable_ranks=byte_ranks, special_tokens={}
        ),
        init=request.init,
        work=nowhere,
        out=nowhere,
    )
    trainer = Trainer(job)
    ends = []
    for _ in range(STEPS):
        take_step(trainer)
        ends.append(time.perf_counter())
    seconds = statistics.median(b - a for a, b in pairwise(ends))
    return Outcome(
        tokens_per_second=recipe.tokens_per_step / seconds, peak_memory=peak_memory(device)
    )


def _keep_under(limit: int, device: torch.device) -> None:
    """End this process if it uses more than `limit` bytes of the device's memory."""
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
        return

    def watch() -> None:
        while peak_memory(device) <= limit:
            time.sleep(0.02)
        os._exit(TOO_LARGE)

    threading.Thread(target=watch, name="memory watch", daemon=True).start()


if __name__ == "__main__":
    main()
