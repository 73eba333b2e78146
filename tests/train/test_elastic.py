"""Test that a run's bits do not depend on how many processes share its slots."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from noiseband.io.digests import digests
from noiseband.study.recipe import valid_processes
from noiseband.train.loop import train
from noiseband.train.trainer import Job
from tests.train.conftest import MakeJob, files_of, train_command

COUNTS = (2, 8)
"""Numbers of processes: one level of the tree, and three. For four, see test_deaths.py, where a run
starts on four processes and ends on one."""
SLOTS = (8, 16, 24)
FEATURES: dict[str, dict[str, Any]] = {
    "dropout": {"model.dropout": 0.1},
    "clipping": {"optimizer.clip_norm": 0.05},
    "schedule": {"schedule.kind": "warmup-cosine", "schedule.warmup": 0.5},
    "tying": {"model.tied": True},
    "qkv-bias": {"model.qkv_bias": True},
    "parts": {
        "model.norm.kind": "rms",
        "model.feed_forward.kind": "swiglu",
        "model.positions.kind": "rotary",
        "model.attention.kv_heads": 1,
        "model.attention.qk_norm": True,
        "model.attention.window": 5,
        "model.attention.full_every": 2,
        "model.initial_weights.kind": "gpt2",
    },
    "more parts": {
        "model.norm.place": "post",
        "model.norm.embedding": True,
        "model.attention.softcap": 5.0,
        "model.attention.documents": True,
        "model.logit_softcap": 10.0,
        "model.embedding_scale": 3.0,
    },
    "muon": {
        "optimizer.kind": "muon",
        "optimizer.groups": [{"parameters": "norms", "weight_decay": 0.0}],
        "optimizer.cautious": True,
    },
    "sgd": {"optimizer.kind": "sgd"},
    "loss": {"loss.label_smoothing": 0.1, "loss.z_loss": 0.001},
    "epochs": {"data.epochs": 3, "data.order": "shuffled"},
    "packing": {"data.packing": "best-fit"},
}
FEATURES["all"] = {
    key: value for name, one in FEATURES.items() if name != "sgd" for key, value in one.items()
}
FEATURES["all"] |= {"data.order": "shuffled"}
# Steps of 8, 16 and 32 slots, which eight processes can share.
FEATURES["ramp"] = {"batch.ramp.sequences": 8, "batch.ramp.share": 0.5, "data.order": "shuffled"}
for name in FEATURES:
    if name not in ("dropout", "all"):
        FEATURES[name] = {"model.dropout": 0.0, **FEATURES[name]}
PRECISIONS = ("float32", "bfloat16-amp")
STEPS = 4
CASES = [
    *product(["all"], SLOTS, PRECISIONS),
    # Each feature alone, so that none hides behind another.
    *((name, 8, "float32") for name in FEATURES if name not in ("all", "ramp")),
    ("ramp", 32, "float32"),
]


def case(make_job: MakeJob, feature: str, slots: int, precision: str) -> Job:
    changes = {
        **FEATURES[feature],
        "batch.sequences": slots,
        "batch.microbatch": 1,
        "data.train_tokens": STEPS * slots * 16,
        "precision": precision,
    }
    job = make_job(f"{feature}-{slots}-{precision}", every=2, **changes)
    averages = {"ema": 0.9} if feature == "all" else {}
    return replace(job, params=job.params.model_copy(update={"averages": averages}))


def train_all(jobs: Mapping[Any, Job], processes: int, folder: Path) -> None:
    """Train every job into `<out>/<processes>`: in this process, or several with one launch."""
    if processes == 1:
        for job in jobs.values():
            train(replace(job, work=job.out / "1/work", out=job.out / "1"))
        return
    listing = folder / "jobs.json"
    cases = [{"params": job.params.text, **files_of(job)} for job in jobs.values()]
    listing.write_text(json.dumps(cases), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.elastic_cases", str(processes), str(listing)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def result(out: Path) -> dict[str, Any]:
    """The results that must not depend on the number of processes."""
    last = max(out.glob("work/step-*.safetensors"))
    return {
        "weights": json.loads((out / "model.json").read_text())["sha256"],
        "optimiser state": digests(load_file(last))["sha256"],
        "trace": (out / "trace.parquet").read_bytes(),
        "samples": (out / "samples.jsonl").read_bytes(),
        "averages": [file.read_bytes() for file in sorted(out.glob("averages/*/model.*"))],
    }


def test_any_number_of_processes_gives_the_same_bits(make_job: MakeJob, tmp_path: Path) -> None:
    """With `allreduce` it does not. All jobs share one launch for each number of processes, because
    starting processes takes longer than their training."""
    jobs = {key: case(make_job, *key) for key in CASES}
    summed = {
        kind: make_job(kind, reduction=kind, **{"batch.microbatch": 1})
        for kind in ("ordered", "allreduce")
    }
    for count in (1, *COUNTS):
        train_all(jobs | summed if count != 2 else jobs, count, tmp_path)
    alone = {key: result(job.out / "1") for key, job in jobs.items()}
    for key, count in product(jobs, COUNTS):
        assert result(jobs[key].out / str(count)) == alone[key], f"{key} on {count} processes"
    weights = {one["weights"] for one in alone.values()}
    assert len(weights) == len(jobs), "every case should be a recipe of its own"
    _other_bits_on_eight_processes(summed)


def _other_bits_on_eight_processes(jobs: Mapping[str, Job]) -> None:
    """A usual training loop, `allreduce`, does not have the property tested above."""
    weights = {
        (kind, count): json.loads((job.out / str(count) / "model.json").read_text())["sha256"]
        for (kind, job), count in product(jobs.items(), (1, 8))
    }
    assert weights["ordered", 1] == weights["ordered", 8]
    assert weights["allreduce", 1] != weights["allreduce", 8]
    # The sums still add the same numbers.
    alone, shared = (
        load_file(jobs["allreduce"].out / count / "model.safetensors") for count in ("1", "8")
    )
    for name, weight in alone.items():
        torch.testing.assert_close(shared[name], weight, rtol=0, atol=1e-3, msg=name)


def test_two_machines_give_the_same_bits(make_job: MakeJob) -> None:
    """torchrun is started by hand on each machine, as in the README; here both are this machine."""
    alone, shared = make_job("alone"), make_job("shared")
    train(alone)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        endpoint = f"localhost:{free.getsockname()[1]}"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    torchrun += ["--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}", "--module"]
    command = [*torchrun, *train_command(shared)[2:-2]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    machines = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    for machine in machines:
        _, said = machine.communicate(timeout=120)
        assert machine.returncode == 0, said
    for name in ("model.safetensors", "trace.parquet", "samples.jsonl"):
        assert (shared.out / name).read_bytes() == (alone.out / name).read_bytes()
    assert json.loads((shared.out / "timing.json").read_text())["processes"] == 2


@pytest.mark.parametrize(
    ("slots", "valid"), [(1, [1]), (6, [1, 2]), (8, [1, 2, 4, 8]), (24, [1, 2, 4, 8])]
)
def test_processes_are_powers_of_two_that_divide_the_slots(slots: int, valid: list[int]) -> None:
    assert valid_processes(slots) == valid
