"""Measure a short job whose command is forked, compared with the same command started afresh.

python -m benchmarks.forked_jobs               # 15 rounds on an otherwise idle machine
python -m benchmarks.forked_jobs --rounds 5    # faster

The job is `noiseband init` for the pocket study's model: its own work takes a fraction of a second,
so what is measured is how a job begins. Both ways take turns, and must write the same bytes. Linux
only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.side_by_side import Measured, ratios, table
from noiseband.dag.fork_client import FORKS, ONE_THREAD, surroundings
from noiseband.dag.forks import start
from noiseband.study import load_study
from noiseband.study.params import InitParams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("config/config.yaml"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/forked_jobs-*.json")
    options = parser.parse_args()
    study = load_study(options.config)
    params = InitParams.of(next(iter(study.starts.values()))).text
    found = {"forked": Measured(), "started": Measured()}
    with server() as forked, tempfile.TemporaryDirectory() as folder:
        ways = {"forked": forked, "started": {**forked, FORKS: "off"}}
        for number in range(-1, options.rounds):  # the first one warms up
            written = set()
            for name in sorted(ways, reverse=number % 2 == 1):
                out = Path(folder, f"{name}.safetensors")
                seconds = init(params, out, ways[name])
                written.add(out.read_bytes())
                if number >= 0:
                    found[name].seconds.append(seconds)
            if len(written) != 1:
                raise SystemExit("the two ways have written different bytes")
    times, low, high = ratios(found["forked"], found["started"])
    results: dict[str, Any] = {
        "machine": machine(),
        "seconds": {name: statistics.median(one.seconds) for name, one in found.items()},
        "times_as_fast": {"median": times, "quartiles": [low, high]},
        "rounds": options.rounds,
    }
    rows = [("job", "seconds"), *((n, f"{s:.2f}") for n, s in results["seconds"].items())]
    print(f"{table(rows)}\n{times:.1f} times as fast ({low:.1f} to {high:.1f})")
    device = re.sub(r"\W+", "-", results["machine"]["processor"]).strip("-").lower()
    out = options.out or Path("benchmarks/results", f"forked_jobs-{device}.json")
    out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(out)


@contextmanager
def server() -> Iterator[dict[str, str]]:
    """The environment of a command that a server forks for, as Snakemake starts one."""
    address = f"noiseband-{os.getpid()}-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{address}")
        listener.listen()
        process = start(listener)
    environment = {**os.environ, **ONE_THREAD}
    try:
        yield {**environment, FORKS: f"{address} {surroundings(environment)}"}
    finally:
        os.kill(process, signal.SIGTERM)


def init(params: str, out: Path, environment: Mapping[str, str]) -> float:
    """Compute initial weights. Returns seconds."""
    words = ["noiseband", "init", "--params", params]
    files = ["--weights", str(out), "--digests", str(out.with_suffix(".json"))]
    began = time.perf_counter()
    subprocess.run([*words, *files], env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
