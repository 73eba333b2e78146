"""Measure `noiseband verdicts` on 10,000 rows, compared with a script of pandas and SciPy.

python -m benchmarks.referee               # 5 rounds
python -m benchmarks.referee --rounds 3

The rows are 20 arms on 5 seeds with 100 steps each, 10 arms with 1,000 runs each without seeds, and
20 arms on 500 seeds. The script reads the same file, takes each run's last step, and calls
`scipy.stats.dunnett`, which ignores what the seeds do to all arms. Both are processes of their own,
so that starting them and importing libraries counts. The seconds are those of the processor, which
other processes of the machine change less than those of the clock.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.side_by_side import Measured, ratios, table

SCRIPT = """
import sys
import pandas
from scipy.stats import dunnett
table = pandas.read_csv(sys.argv[1])
if "step" in table:
    table = table.sort_values("step").groupby(["arm", "seed"]).last().reset_index()
groups = {arm: losses.to_numpy() for arm, losses in table.groupby("arm")["loss"]}
control = groups.pop("arm-0")
print(dunnett(*groups.values(), control=control, rng=0).confidence_interval())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/referee-*.json")
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": machine(), "rounds": options.rounds}
    rows: list[tuple[str, ...]] = [("10,000 rows", "noiseband", "script", "times as long")]
    with tempfile.TemporaryDirectory() as folder:
        for name, file in files(Path(folder)).items():
            words = [str(file), "--baseline", "arm-0", "--metric", "loss"]
            ways = {
                "noiseband": [sys.executable, "-m", "noiseband", "verdicts", *words],
                "script": [sys.executable, "-c", SCRIPT, str(file)],
            }
            measured = {way: Measured() for way in ways}
            for number in range(-1, options.rounds):  # the first one warms up
                for way in sorted(ways, reverse=number % 2 == 1):
                    began = cpu_seconds()
                    subprocess.run(ways[way], check=True, stdout=subprocess.DEVNULL)
                    if number >= 0:
                        measured[way].seconds.append(cpu_seconds() - began)
            seconds = {way: statistics.median(one.seconds) for way, one in measured.items()}
            times, low, high = ratios(measured["script"], measured["noiseband"])
            found[name] = {"seconds": seconds, "times_as_long": times, "quartiles": [low, high]}
            rows.append((name, *(f"{one:.2f} s" for one in seconds.values()), f"{times:.2f}"))
    print(table(rows))
    device = re.sub(r"\W+", "-", found["machine"]["processor"]).strip("-").lower()
    out = options.out or Path("benchmarks/results", f"referee-{device}.json")
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(out)


def cpu_seconds() -> float:
    """The processor's time of all processes that this one has started and that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def files(folder: Path) -> dict[str, Path]:
    """The tables, by what is in them."""
    rng = np.random.default_rng(1)
    steps, runs, seeds = (folder / f"{name}.csv" for name in ("steps", "runs", "seeds"))
    lines = [
        f"arm-{arm},{seed},{step},{4 - step / 100 + rng.normal(0, 0.01):.6f}"
        for arm in range(20)
        for seed in range(5)
        for step in range(100)
    ]
    steps.write_text("\n".join(["arm,seed,step,loss", *lines]) + "\n")
    lines = [f"arm-{arm},{4 + rng.normal(0, 0.01):.6f}" for arm in range(10) for _ in range(1000)]
    runs.write_text("\n".join(["arm,loss", *lines]) + "\n")
    of_seed = rng.normal(0, 0.01, 500)
    lines = [
        f"arm-{arm},{seed},{4 + of_seed[seed] + rng.normal(0, 0.01):.6f}"
        for arm in range(20)
        for seed in range(500)
    ]
    seeds.write_text("\n".join(["arm,seed,loss", *lines]) + "\n")
    return {
        "20 arms, 5 seeds, 100 steps": steps,
        "10 arms, 1,000 runs": runs,
        "20 arms, 500 seeds": seeds,
    }


if __name__ == "__main__":
    main()
