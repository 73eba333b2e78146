"""A few steps of a recipe in a process of their own, to see whether they fit into memory.

python -m noiseband.train.trial, with a `Request` as JSON on standard input; prints an `Outcome`.
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

from noiseband.determinism import pick_device
from noiseband.study.params import TrainParams
from noiseband.train.memory import peak_memory
from noiseband.train.trainer import Job, Trainer

STEPS = 4
"""The first one warms up and compiles."""

TOO_LARGE = 3
"""Exit status of a trial that ran out of memory."""


class Request(BaseModel):
    params: TrainParams
    init: Path
    """Initial weights."""
    limit: int | None
    """Bytes of the device's memory to stay under; null: as many as there are."""


class Outcome(BaseModel):
    """Of a trial that fits."""

    tokens_per_second: float
    peak_memory: int
    """Bytes of the device's memory."""


def trial(request: Request) -> Outcome | None:
    """Train some steps in a fresh process; None where they need too much memory.

    Raises RuntimeError, with what the process said, where it failed for another reason.
    """
    done = subprocess.run(
        [sys.executable, "-m", "noiseband.train.trial"],
        input=request.model_dump_json(),
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(request.params.recipe.threads)},
    )
    if done.returncode in (TOO_LARGE, -9):  # 9: ended by the system, which ran out itself
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
    data = recipe.data.model_copy(update={"start_token": 0, "train_tokens": train_tokens})
    recipe = recipe.model_copy(update={"data": data})
    generator = np.random.Generator(np.random.PCG64(0))
    vocabulary, count = recipe.model.vocabulary, recipe.last_token
    byte_ranks = {bytes([byte]): byte for byte in range(256)}
    nowhere = Path(os.devnull)  # a trainer by itself writes no file
    job = Job(
        params=request.params.model_copy(update={"recipe": recipe}),
        tokens=generator.integers(0, vocabulary, count, dtype=np.uint16),
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
        trainer.step()
        ends.append(time.perf_counter())
    seconds = statistics.median(b - a for a, b in pairwise(ends))
    return Outcome(
        tokens_per_second=recipe.tokens_per_step / seconds, peak_memory=peak_memory(device)
    )


def _keep_under(limit: int, device: torch.device) -> None:
    """End this process before it takes the machine's memory from everyone else."""
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
