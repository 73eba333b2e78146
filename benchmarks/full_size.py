"""Train the published baseline at full size on one GPU: equal bits twice, speed and memory.

python -m benchmarks.full_size          # make gpu: 200 steps twice, then 20 steps of each precision
python -m benchmarks.full_size --tiny   # the same program with a tiny model, to try it anywhere
python -m benchmarks.full_size --minutes 10   # leave out the precisions that do not fit

Every run is a separate `noiseband train` process, on random tokens from a fixed seed with
frequencies like those of words. The exit status is 1 if the second training differs from the first.
"""

from __future__ import annotations

import argparse
import base64
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from benchmarks.machine import machine
from benchmarks.profile_step import where_time_goes
from benchmarks.side_by_side import table
from noiseband.corpus.vocabulary import gpt2_ranks
from noiseband.io.files import read_json, write_json
from noiseband.io.traces import read_rows
from noiseband.model.init import write_init
from noiseband.published.golden import golden_digests
from noiseband.repro.verify import verify
from noiseband.study.architecture import Model
from noiseband.study.config import Checkpoints, Samples
from noiseband.study.optimizer import Optimizer
from noiseband.study.params import InitParams, TrainParams
from noiseband.study.recipe import Batch, Data, Precision, Recipe

PUBLISHED: Precision = "float16-amp"
VARIANTS: tuple[Precision, ...] = ("float16-amp", "tf32", "float32", "bfloat16-amp")
FULL = Model(vocabulary=50257, context=1024, width=768, heads=12, layers=12, dropout=0.1)
TINY = Model(vocabulary=257, context=32, width=32, heads=2, layers=2, dropout=0.1)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    if not torch.cuda.is_available() and not options.tiny:
        print(
            "error: PyTorch sees no CUDA GPU; start this where it does (`python -c 'import torch; "
            "print(torch.cuda.is_available())'`), or add --tiny to try the program on a CPU",
            file=sys.stderr,
        )
        sys.exit(2)
    device = re.sub(r"\W+", "-", machine()["device"]).strip("-").lower()
    plan = "full_size-tiny" if options.tiny else "full_size"
    out = options.out or Path("benchmarks/results", f"{plan}-{device}.json")
    with tempfile.TemporaryDirectory(prefix="full-size-", dir=options.scratch) as scratch:
        found = measured(options, Path(scratch), out)
    print(f"\n{out}")
    sys.exit(0 if found["rerun"]["identical"] else 1)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, help="steps of the run that is trained twice (200)")
    parser.add_argument("--variant-steps", type=int, help="steps for each precision (20)")
    parser.add_argument(
        "--variants",
        nargs="*",
        choices=VARIANTS,
        default=VARIANTS,
        help="precisions to measure (all four)",
    )
    parser.add_argument(
        "--microbatch",
        type=int,
        default=12,
        help="sequences at a time, of the 96 (12, as published)",
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="start no precision after this time"
    )
    parser.add_argument("--tiny", action="store_true", help="a tiny model, on whatever there is")
    parser.add_argument("--scratch", type=Path, help="folder with 8 GB to spare (the system's)")
    parser.add_argument("--out", type=Path, help="result file (benchmarks/results/...)")
    options = parser.parse_args(arguments)
    options.steps = options.steps or (6 if options.tiny else 200)
    options.variant_steps = options.variant_steps or (3 if options.tiny else 20)
    if options.steps < 2 or options.variant_steps < 2:
        parser.error("--steps, --variant-steps: give at least 2, because the first warms up")
    if 96 % options.microbatch:
        parser.error(f"--microbatch {options.microbatch}: give a divisor of the 96 sequences")
    return options


def measured(options: argparse.Namespace, scratch: Path, out: Path) -> dict[str, Any]:
    """Measure everything in order, and write each result to `out` at once.

    A run that does not fit the device is recorded as failed.
    """
    end = time.monotonic() + 60.0 * options.minutes
    recipe = published_recipe(options, options.steps)
    init = write_inputs(recipe, max(options.steps, options.variant_steps), scratch)
    golden = golden_digests(recipe.start)
    runs: dict[str, Any] = {}
    found: dict[str, Any] = {
        "machine": machine(),
        "recipe": recipe.model_dump(),
        "init": {"sha256": init, "reference": None if golden is None else golden["sha256"]},
        "runs": runs,
    }
    for name in ("baseline", "baseline again"):
        runs[name] = train(name, recipe, scratch)
        if runs[name] is None:
            raise SystemExit(f"{name} failed, its own message is above; try --microbatch 6")
        write_json(out, found, checksum=False)
    finding = verify(scratch / "baseline", scratch / "baseline again")
    print(f"trained twice: {finding}")
    found["rerun"] = {"identical": finding.identical, "finding": str(finding).splitlines()}
    write_json(out, found, checksum=False)
    for name in ("baseline", "baseline again"):
        shutil.rmtree(scratch / name)
    for precision in options.variants:
        if time.monotonic() > end:
            print(f"{precision}: left out, no time left")
            continue
        variant = published_recipe(options, options.variant_steps, precision)
        runs[precision] = train(precision, variant, scratch)
        shutil.rmtree(scratch / precision, ignore_errors=True)
        write_json(out, found, checksum=False)
    show(runs)
    if torch.cuda.is_available() and time.monotonic() < end:
        print("profiling")
        found["where_time_goes"] = where_time_goes(params_of("profiled", recipe))
        write_json(out, found, checksum=False)
    return found


def published_recipe(
    options: argparse.Namespace, steps: int, precision: Precision = PUBLISHED
) -> Recipe:
    """The published baseline with fewer steps; with --tiny also a smaller model and batch."""
    model = TINY if options.tiny else FULL
    batch = Batch(sequences=8, microbatch=2)
    if not options.tiny:
        batch = Batch(sequences=96, microbatch=options.microbatch)
    return Recipe(
        model=model,
        data=Data(corpus="stand-in", train_tokens=steps * batch.sequences * model.context),
        batch=batch,
        optimizer=Optimizer(learning_rate=0.0004),
        init="reference",
        precision=precision,
        attention="explicit",
        init_seed=42,
        train_seed=42,
    )


def write_inputs(recipe: Recipe, steps: int, scratch: Path) -> str:
    """Write tokens for the steps, vocabulary and initial weights; return the weights' digest."""
    vocabulary, count = recipe.model.vocabulary, steps * recipe.tokens_per_step + 1
    draws = np.random.Generator(np.random.PCG64(0)).random(count)
    # Tokens are log-uniform, so the frequency of the n-th token falls as 1/n (Zipf).
    tokens = (np.power(float(vocabulary), draws) - 1).astype(np.uint16)
    save_file({"tokens": tokens}, scratch / "tokens.safetensors")
    ranks = gpt2_ranks()
    if vocabulary == 257:
        lines = (base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256))
        ranks = b"".join(lines)
    (scratch / "vocabulary.tiktoken").write_bytes(ranks)
    start = InitParams.of(recipe)
    init, digests = scratch / "init.safetensors", scratch / "init.json"
    return write_init(start.model, start.method, start.seed, init, digests)


def params_of(name: str, recipe: Recipe) -> TrainParams:
    """The params of the command."""
    return TrainParams(
        run=name,
        intervention="baseline",
        interventions=[],
        repeat_of=None,
        continues=None,
        difference={},
        recipe=recipe,
        samples=Samples(),
        checkpoints=Checkpoints(every=recipe.steps, last=1),
    )


def train(name: str, recipe: Recipe, scratch: Path) -> dict[str, Any] | None:
    """Train a run with the command line; return its own figures, or None if it failed."""
    params = params_of(name, recipe)
    out = scratch / name
    (out / "work").mkdir(parents=True)
    print(f"{name}: {recipe.steps} steps of {recipe.tokens_per_step:,} tokens, {recipe.precision}")
    files = {
        "--tokens": scratch / "tokens.safetensors",
        "--vocabulary": scratch / "vocabulary.tiktoken",
        "--init": scratch / "init.safetensors",
        "--work": out / "work",
        "--out": out,
    }
    options = [str(text) for pair in files.items() for text in pair]
    command = [sys.executable, "-m", "noiseband", "train", "--params", params.text, *options]
    if subprocess.run(command).returncode:
        return None
    shutil.rmtree(out / "work")
    timing, rows = read_json(out / "timing.json"), read_rows(out / "trace.parquet")
    return {
        "precision": recipe.precision,
        "steps": len(rows),
        "tokens_per_second": timing["tokens_per_second"],
        "share_of_peak": timing["share_of_peak"],
        "peak_memory_bytes": timing["peak_memory_bytes"],
        "first_loss": rows[0].loss,
        "last_loss": rows[-1].loss,
        "skipped_steps": sum(row.skipped for row in rows),
        "weights_sha256": read_json(out / "model.json")["sha256"],
    }


def show(runs: dict[str, Any]) -> None:
    rows: list[tuple[str, ...]] = [
        ("run", "tokens/s", "of peak", "memory, GiB", "first loss", "last loss", "skipped")
    ]
    for name, run in runs.items():
        if run is None:
            rows.append((name, *["failed"] * 6))
            continue
        share = run["share_of_peak"]
        rows.append(
            (
                name,
                f"{run['tokens_per_second']:,}",
                "unknown" if share is None else f"{share:.1%}",
                f"{run['peak_memory_bytes'] / 2**30:.2f}",
                f"{run['first_loss']:.6f}",
                f"{run['last_loss']:.6f}",
                f"{run['skipped_steps']}",
            )
        )
    print(table(rows))


if __name__ == "__main__":
    main()
