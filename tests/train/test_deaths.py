"""Test that after any death the others end soon, and the next start gives the same bits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from noiseband.train.account import Account
from noiseband.train.loop import train
from noiseband.train.trainer import Job
from tests.train.conftest import MakeJob, train_command

LONG: dict[str, Any] = {"data.train_tokens": 400_000}
"""A run of 3,125 steps, which no test finishes."""


@contextmanager
def training(job: Job, processes: int) -> Iterator[subprocess.Popen[str]]:
    """The job on the command line, in its own process group, which is killed at the end."""
    process = subprocess.Popen(
        train_command(job, processes),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        everyone = [process.pid, *workers_of(job)]
        for pid in everyone:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def workers_of(job: Job) -> list[int]:
    """Process ids by rank of the processes that train the job, without the launcher."""
    found: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        ranks = [int(text[5:]) for text in environment if text.startswith(b"RANK=")]
        if os.fsencode(job.work) in arguments and ranks:
            found[ranks[0]] = int(folder.name)
    return [found[rank] for rank in sorted(found)]


def steps_logged(job: Job) -> int:
    log = job.work / "train.log"
    return log.read_text().count("  step ") if log.exists() else 0


def wait_until(true: Any, seconds: float) -> float:
    """Seconds until `true()` holds. The test fails after `seconds`."""
    begin = time.monotonic()
    while not true():
        assert time.monotonic() < begin + seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - begin


def wait_for_steps(job: Job, process: subprocess.Popen[str], steps: int) -> None:
    wait_until(lambda: process.poll() is not None or steps_logged(job) > steps, 90)
    assert process.poll() is None, process.stderr and process.stderr.read()


def artefacts(job: Job) -> dict[str, bytes]:
    names = ("model.json", "model.safetensors", "trace.parquet", "samples.jsonl", "recipe.json")
    return {name: (job.out / name).read_bytes() for name in names}


@pytest.mark.parametrize("rank", [0, 1])
def test_one_dead_process_ends_the_others_with_a_message(make_job: MakeJob, rank: int) -> None:
    job = make_job(**LONG)
    with training(job, 2) as process:
        wait_for_steps(job, process, 5)
        workers = workers_of(job)
        os.kill(workers[rank], signal.SIGKILL)
        _, said = process.communicate(timeout=60)  # torchrun itself gives up on a process after 30
        assert process.returncode == 1
        assert f"process {rank} was ended by SIGKILL, and the others ended too" in said
        assert "Traceback" not in said
        wait_until(lambda: not workers_of(job), 5)


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [
        (signal.SIGKILL, False),
        (signal.SIGTERM, False),
        (signal.SIGTERM, True),  # as Slurm does
        (signal.SIGINT, True),  # as a terminal does
    ],
)
def test_workers_end_with_their_launcher(
    make_job: MakeJob, number: signal.Signals, whole_group: bool
) -> None:
    job = make_job(**LONG)
    with training(job, 2) as process:
        wait_for_steps(job, process, 5)
        assert len(workers_of(job)) == 2
        (os.killpg if whole_group else os.kill)(process.pid, number)
        # A launcher that gets a signal passes it on and waits for the checkpoint.
        process.wait(timeout=30)
        wait_until(lambda: not workers_of(job), 5)
        assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
        if number != signal.SIGKILL:
            logged = steps_logged(job)
            newest = max(job.work.glob("step-*.safetensors"))
            assert newest.name == f"step-{logged:08d}.safetensors", "the step reached is saved"


STARTED_BY_SNAKEMAKE = (
    "import subprocess, sys; from noiseband.dag.orphans import sign_jobs; sign_jobs(); "
    "subprocess.run(sys.argv[1:])"
)


def test_training_saves_and_ends_when_its_snakemake_is_killed(make_job: MakeJob) -> None:
    job = make_job(**LONG)
    command = [sys.executable, "-c", STARTED_BY_SNAKEMAKE, *train_command(job)]
    with subprocess.Popen(command) as snakemake:
        wait_until(lambda: steps_logged(job) > 5, 90)
        (trainer,) = psutil.Process(snakemake.pid).children()
        snakemake.kill()
        wait_until(lambda: not trainer.is_running(), 10)
    newest = max(job.work.glob("step-*.safetensors"))
    assert newest.name == f"step-{steps_logged(job):08d}.safetensors", "the step reached is saved"


def test_a_run_that_starts_on_four_is_killed_and_ends_on_one(make_job: MakeJob) -> None:
    changes = {"batch.microbatch": 1, "data.train_tokens": 64 * 128}
    whole, cut = make_job("whole", every=5, **changes), make_job("cut", every=5, **changes)
    train(whole)
    with training(cut, 4) as process:
        wait_for_steps(cut, process, 12)
        os.killpg(process.pid, signal.SIGKILL)
    wait_until(lambda: not workers_of(cut), 5)
    assert any(cut.work.glob("step-*.safetensors"))
    assert not (cut.out / "model.json").exists(), "it was not killed in time"
    train(cut, watch=Account)
    assert artefacts(cut) == artefacts(whole)
    assert "going on after step" in (cut.work / "train.log").read_text()


@pytest.mark.campaign
@pytest.mark.parametrize("processes", [1, 2])
def test_kills_of_any_process_at_any_moment(make_job: MakeJob, processes: int) -> None:
    """`make campaign`: 15 random kills for each number of processes, half of them while a
    checkpoint is being written."""
    changes = {"data.train_tokens": 1_000 * 128, "batch.microbatch": 1}
    whole, cut = make_job("whole", every=2, **changes), make_job("cut", every=2, **changes)
    train(whole)
    chance, kills = random.Random(processes), 0
    while kills < 15:
        with training(cut, processes) as process:
            before = steps_logged(cut)
            wait_for_steps(cut, process, before + chance.randrange(1, 40))
            time.sleep(chance.random() * 0.05)
            if kills % 2:  # during a checkpoint, if its temporary file exists for long enough
                end = time.monotonic() + 2
                while not any(cut.work.glob(".step-*.tmp")) and time.monotonic() < end:
                    pass
            victims = workers_of(cut) or [process.pid]
            victim = chance.choice([process.pid, *victims])
            os.kill(victim, signal.SIGKILL)
            kills += 1
            process.wait(timeout=30)
            wait_until(lambda: not workers_of(cut), 5)
        assert not (cut.out / "model.json").exists(), "it ended before it could be killed"
    with training(cut, processes) as process:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert artefacts(cut) == artefacts(whole)
