"""Measure the speed of digests compared with plain SHA-256, and the cost of a step's checksum.

python -m benchmarks.digests
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.contenders import Noiseband
from benchmarks.machine import anonymous_memory, machine
from benchmarks.side_by_side import table
from noiseband.io.digests import digest, file_digest, file_digests
from noiseband.model.init import initial_weights
from noiseband.repro.compare import compare_files
from noiseband.study import load_study
from noiseband.study.architecture import Model
from noiseband.study.params import TrainParams
from noiseband.train.loop import take_step

REFERENCE = Model(vocabulary=50257, context=1024, width=768, heads=12, layers=12)
STEPS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/digests-*.json")
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        found |= hashing(Path(folder), options.rounds)
    found |= checksum()
    device = re.sub(r"\W+", "-", found["machine"]["processor"]).strip("-").lower()
    out = options.out or Path("benchmarks/results", f"digests-{device}.json")
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(out)


def hashing(folder: Path, rounds: int) -> dict[str, Any]:
    """Measure all methods in turn, on the 652 MB of the 163M model's weights."""
    weights = initial_weights(REFERENCE, "keyed", 42)
    file, copy = folder / "a.safetensors", folder / "b.safetensors"
    save_file(weights, file)
    save_file(weights, copy)
    size = sum(tensor.nbytes for tensor in weights.values())
    ways: dict[str, Callable[[], object]] = {
        "hashlib.sha256 of the bytes in memory": lambda: _bare(weights),
        "hashlib.file_digest of the file": lambda: _bare_file(file),
        "digest, tensors in memory": lambda: digest(weights),
        "file_digest": lambda: file_digest(file),
        "file_digests: the whole and each tensor": lambda: file_digests(file),
        "compare_files: two equal files": lambda: compare_files(file, copy),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    memory = dict.fromkeys(ways, 0)
    for _ in range(rounds + 1):  # the first one warms up
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    for name, way in ways.items():
        memory[name] = _peak_memory(way)
    bare = "hashlib.sha256 of the bytes in memory"
    rows = [("way", "GB/s", "of bare SHA-256", "more memory, MB")]
    data: dict[str, Any] = {}
    for name, times in seconds.items():
        rate = size / statistics.median(times[1:]) / 1e9
        share = statistics.median(b / t for b, t in zip(seconds[bare][1:], times[1:], strict=True))
        data[name] = {
            "gigabytes_per_second": round(rate, 3),
            "of_bare_sha256": round(share, 3),
            "more_memory_bytes": memory[name],
        }
        rows.append((name, f"{rate:.2f}", f"{share:.0%}", f"{memory[name] / 1e6:.1f}"))
    print(table(rows))
    return {"bytes": size, "hashing": data}


def _peak_memory(way: Callable[[], object]) -> int:
    """The growth of anonymous memory at its peak during a call, in bytes, by sampling."""
    before, peak, done = anonymous_memory(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, anonymous_memory() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    way()
    done.set()
    watcher.join()
    return peak


def _bare(weights: dict[str, torch.Tensor]) -> str:
    hasher = hashlib.sha256()
    for tensor in weights.values():
        hasher.update(tensor.numpy().reshape(-1).view("u1").data)
    return hasher.hexdigest()


def _bare_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum() -> dict[str, Any]:
    """The share of the weights' checksum in the time of a pocket step."""
    study = load_study(Path("config/config.yaml"))
    params = TrainParams.of(study, study.runs[study.config.baseline])
    trainer = Noiseband(params.text).trainer()
    own = trainer.flat.checksum
    spent: list[float] = []

    def timed() -> torch.Tensor:
        begin = time.perf_counter()
        found = own()
        spent.append(time.perf_counter() - begin)
        return found

    trainer.flat.checksum = timed  # type: ignore[method-assign]
    steps = []
    for _ in range(STEPS):
        begin = time.perf_counter()
        take_step(trainer)
        steps.append(time.perf_counter() - begin)
    share = statistics.median(a / b for a, b in zip(spent[50:], steps[50:], strict=True))
    print(f"\nthe weights' checksum takes {share:.2%} of a step")
    return {"checksum_share_of_step": share, "step_seconds": statistics.median(steps[50:])}


if __name__ == "__main__":
    main()
