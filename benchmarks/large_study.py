"""Measure how planning and the page scale with the number of runs: 10, 100 and 1,000.

python -m benchmarks.large_study [RUNS[:LABELS] ...]

The study is the pocket study with up to 49 other learning rates (or LABELS - 1) instead of its
interventions. Every arm has the same number of seeds, at least two, and every third run is
fine-tuned. Planning is a dry run of this study. Tables, figures and page are made from the same
number of fake runs (tests/report), with files like those of real runs of 400 steps.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.machine import machine
from noiseband.cpu import cpu_name
from noiseband.study import load_study
from noiseband.study.table_params import ReportParams, TablesParams
from tests.fake_runs import FakeRun
from tests.small_study import MACHINES, write_study

LABELS = 50
SIZES = ((10, LABELS), (100, LABELS), (1000, LABELS), (1000, 500))
STEPS = 400


@dataclass(frozen=True)
class Cost:
    """The cost of one command, including its children."""

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    """The peak resident memory of the largest process, in MB."""


# This runs in a small process, because a child's peak includes its parent's memory at the start.
MEASURE = """
import json, os, resource, subprocess, sys, time
begin = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(child.pid, 0)
print(json.dumps([time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(*command: str) -> Cost:
    """Run a command to its end, and return its cost."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", MEASURE, *command], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)[:200]}:\n{done.stderr}")
    wall, cpu, kilobytes = json.loads(done.stdout)
    return Cost(round(wall, 2), round(cpu, 2), round(kilobytes * 1024 / 1e6))


def seeds_of(runs: int, labels: int) -> range:
    """The seeds of the baseline and of every learning rate."""
    return range(1, 1 + max(2, runs // labels))


def config(runs: int, labels: int) -> dict[str, Any]:
    """The config of the pocket study with another size."""
    study: dict[str, Any] = yaml.safe_load(Path("config/config.yaml").read_text("utf-8"))
    seeds = list(seeds_of(runs, labels))
    rates = {
        f"rate-{k:02d}": {"optimizer.learning_rate": round(0.01 + 0.0001 * k, 6)}
        for k in range(1, runs // len(seeds))
    }
    names = [f"{label}-{seed}" for label in ("baseline", *rates) for seed in seeds]
    protocol = study["finetuning"]["protocols"]["early-stop"] | {"seeds": [42]}
    return study | {
        "interventions": rates,
        "seeds": {"default": seeds},
        "noise": {"init_and_train": seeds},
        "runs": [],
        "baseline": names[0],
        "finetuning": study["finetuning"]
        | {"protocols": {"early-stop": protocol}, "runs": names[::3]},
    }


def fake_runs(runs: int, labels: int) -> list[FakeRun]:
    """The same number of fake runs in the same design, with random effects and noise."""
    draws = np.random.default_rng(0)
    seeds, found = seeds_of(runs, labels), []
    for k in range(runs // len(seeds)):
        name = f"rate-{k:02d}" if k else "baseline"
        effect = float(draws.normal(0, 0.02)) if k else 0.0
        rate = {"optimizer.learning_rate": [0.005, round(0.01 + 0.0001 * k, 6)]} if k else {}
        found += [
            FakeRun(f"{name}-{seed}", 4.86 + effect + float(draws.normal(0, 0.01)), name,
                    [name] if k else [], (seed, seed), rate)
            for seed in seeds
        ]  # fmt: skip
    return found


def planning(runs: int, labels: int, folder: Path) -> Cost:
    """The cost of a dry run of a study without any results."""
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump(config(runs, labels) | {"results": str(folder / "results")}))
    assert len(load_study(file).runs) == runs
    return measured(_program("snakemake"), "-n", "--configfile", str(file))


def page(runs: int, labels: int, folder: Path) -> dict[str, Any]:
    """The costs of the three commands that make a page from finished runs."""
    results, made = folder / "results", fake_runs(runs, labels)
    params: ReportParams = write_study(
        results,
        made,
        steps=STEPS,
        models=[f"{run.name}/early-stop/42" for run in made[::3]],
        noise={"init_and_train": [[seed, seed, seed] for seed in seeds_of(runs, labels)]},
    )
    tables = params.model_dump(include=set(TablesParams.model_fields))
    given = "--results", str(results), "--params"
    out = results / "report.html"
    noiseband = _program("noiseband")
    return {
        "tables": vars(measured(noiseband, "tables", *given, json.dumps(tables))),
        "figures": vars(measured(noiseband, "figures", *given, json.dumps(tables))),
        "report": vars(
            measured(
                noiseband, "report", *given, params.text,
                "--machines", str(MACHINES), "--out", str(out),
            )
        ),
        "page_mb": round(out.stat().st_size / 1e6, 2),
    }  # fmt: skip


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def main() -> None:
    given = [text.partition(":") for text in sys.argv[1:]]
    sizes = [(int(runs), int(labels or LABELS)) for runs, _, labels in given] or list(SIZES)
    found: dict[str, Any] = {"machine": machine(), "sizes": {}}
    for size in sizes:
        with tempfile.TemporaryDirectory() as planned, tempfile.TemporaryDirectory() as finished:
            costs = {"plan": vars(planning(*size, Path(planned))), **page(*size, Path(finished))}
        runs, labels = size[0], size[0] // len(seeds_of(*size))
        found["sizes"][f"{runs} runs, {labels} labels"] = costs
        print(f"{runs:,} runs of {labels} labels, page {costs['page_mb']} MB")
        for stage in ("plan", "tables", "figures", "report"):
            cost = costs[stage]
            print(
                f"  {stage:8} {cost['cpu_seconds']:7.2f} CPU s {cost['wall_seconds']:7.2f} s "
                f"{cost['peak_mb']:6.0f} MB",
                flush=True,
            )
    name = re.sub(r"\W+", "-", cpu_name()).strip("-").lower()
    if sizes == list(SIZES):
        out = Path("benchmarks", "results", f"large_study-{name}.json")
        out.write_text(json.dumps(found, indent=2) + "\n")
        print(out)


if __name__ == "__main__":
    main()
