"""`noiseband train` as a rule calls it: one process, or several that it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from noiseband.train.trainer import Job
from tests.train.conftest import MakeJob


def test_several_processes_write_what_one_does(make_job: MakeJob) -> None:
    job = make_job("job")
    folder = job.init.parent
    [vocabulary] = folder.glob("*.tiktoken")
    written = {}
    for processes in (1, 2):
        out = folder / f"out-{processes}"
        command = [sys.executable, "-m", "noiseband", "train", "--params", job.params.text]
        files = {
            "tokens": folder / "tokens.safetensors",
            "vocabulary": vocabulary,
            "init": job.init,
            "work": folder / f"work-{processes}",
            "out": out,
        }
        command += [f"--{name}={path}" for name, path in files.items()]
        done = subprocess.run(
            [*command, f"--processes={processes}"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found = json.loads((out / "provenance.json").read_text())
        assert found["processor"]["processes"] == processes
        assert found["inputs"].keys() == {"tokens", "vocabulary", "init"}
        names = ("model.safetensors", "trace.parquet", "samples.jsonl", "recipe.json")
        written[processes] = [Path(out, name).read_bytes() for name in names]
    assert written[1] == written[2]


def test_processes_that_do_not_divide_the_slots_are_refused_before_any_starts(
    make_job: MakeJob,
) -> None:
    job = make_job("job")
    done = refused(job, "--processes=3")
    slots = job.params.recipe.batch.slots
    assert done.stderr.startswith(f"noiseband: processes=3: the recipe has {slots} slots;")


def test_a_number_of_processes_that_no_launcher_started_is_refused(make_job: MakeJob) -> None:
    """Variables that an earlier command left in the shell, and the one process of a rule."""
    done = refused(make_job("job"), "--processes=1", WORLD_SIZE="4", RANK="0")
    assert done.stderr == (
        "noiseband: --processes 1: the environment says that this is one of 4 (WORLD_SIZE=4, "
        "RANK=0); if no launcher started it, first `unset WORLD_SIZE RANK`\n"
    )


def refused(job: Job, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    files = dict.fromkeys(("tokens", "vocabulary", "init"), job.init)
    command = [sys.executable, "-m", "noiseband", "train", "--params", job.params.text]
    command += [f"--{name}={path}" for name, path in {**files, "work": job.work}.items()]
    done = subprocess.run(
        [*command, f"--out={job.out}", *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    return done
