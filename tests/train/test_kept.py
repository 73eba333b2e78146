"""Test the weights that a run keeps besides its final ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file

from noiseband.io.digests import digests
from noiseband.io.files import read_json
from noiseband.study.averages import Snapshots
from noiseband.study.config import Checkpoints
from noiseband.study.paths import snapshot_in
from noiseband.train.account import Account
from noiseband.train.checkpoint import load
from noiseband.train.kept import Kept
from noiseband.train.loop import train
from noiseband.train.trainer import Job
from tests.train.conftest import MakeJob, train_command
from tests.train.test_deaths import artefacts

WEIGHTS = "model.safetensors"


def keeping(job: Job, every: int = 2, last: int = 3) -> Job:
    """The job with snapshots."""
    snapshots = Snapshots(every=every, last=last)
    return replace(job, params=job.params.model_copy(update={"snapshots": snapshots}))


def kept_files(job: Job) -> dict[str, bytes]:
    """The snapshots of a finished run, with their digests."""
    files = [file for file in (job.out / "snapshots").glob("*/*") if file.is_file()]
    return {str(file.relative_to(job.out)): file.read_bytes() for file in files}


def test_a_snapshot_has_the_weights_of_its_step(make_job: MakeJob) -> None:
    job, bare = keeping(make_job("snapshots")), make_job("bare")
    train(job)
    train(bare)
    assert artefacts(job) == artefacts(bare)
    assert len(kept_files(job)) == 4
    for number, steps in ((1, 6), (2, 4)):
        folder = snapshot_in(job.out, number)
        # The schedule is constant, so that a shorter run takes the same steps.
        shorter = make_job(f"{steps} steps", **{"data.train_tokens": steps * 128})
        assert (shorter.params.recipe.steps, job.params.recipe.steps) == (steps, 8)
        train(shorter)
        weights, expected = load_file(folder / WEIGHTS), load_file(shorter.out / WEIGHTS)
        assert all(torch.equal(weights[name], expected[name]) for name in expected)
        assert read_json(folder / "model.json") == digests(expected)


def test_a_killed_run_has_the_same_snapshots(make_job: MakeJob) -> None:
    long = {"data.train_tokens": 25_600}  # 200 steps
    undisturbed = keeping(make_job("undisturbed", every=40, **long), every=30, last=6)
    train(undisturbed)
    killed = keeping(make_job("killed", every=40, **long), every=30, last=6)
    first = killed.work / "snapshot-00000050.safetensors"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(train_command(killed, 2), env=environment)
    while not first.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    written = first.read_bytes()
    done = subprocess.run(train_command(killed), env=environment)
    assert done.returncode == 0
    assert first.read_bytes() == written
    assert kept_files(killed) == kept_files(undisturbed)
    assert artefacts(killed) == artefacts(undisturbed)
    assert len(kept_files(killed)) == 10


def test_a_run_does_not_resume_without_a_snapshot(make_job: MakeJob) -> None:
    job = keeping(make_job(every=3))  # checkpoints after 7 and 8 steps, snapshots after 4 and 6
    train(job)
    whole = kept_files(job)
    shutil.rmtree(job.out)
    (job.work / "snapshot-00000006.safetensors").unlink()
    train(job, watch=Account)
    log = (job.work / "train.log").read_text()
    assert "00000008.safetensors is of no use without snapshot-00000006.safetensors" in log
    assert "going on after" not in log
    assert kept_files(job) == whole


def test_a_damaged_snapshot_is_noticed(make_job: MakeJob) -> None:
    job = keeping(make_job())
    train(job)
    path = job.work / "snapshot-00000006.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    state, complaints = load(job.work, Kept(job.params, job.work).lacking)
    assert state is None and path.name in complaints[0]


def test_snapshots_that_are_asked_for_later_train_the_run_again(make_job: MakeJob) -> None:
    job = make_job(every=3)
    train(job)
    asked = keeping(job)
    asked = replace(
        asked, params=asked.params.model_copy(update={"checkpoints": Checkpoints(every=1, last=2)})
    )
    train(asked)
    # The checkpoints of the finished run are gone, so they displace none of the new ones.
    assert len(kept_files(asked)) == 4


def test_a_run_that_ends_early_has_its_final_weights_instead(make_job: MakeJob) -> None:
    job = keeping(make_job(**{"optimizer.learning_rate": 1e38, "diverged_after": 2}))
    train(job)
    state, _ = load(job.work)
    assert state is not None and state.step < 4
    for number in (1, 2):
        found = read_json(snapshot_in(job.out, number) / "model.json")
        assert found == read_json(job.out / "model.json")


def test_a_copy_elsewhere_has_the_snapshots(make_job: MakeJob, tmp_path: Path) -> None:
    job = replace(keeping(make_job(every=1)), copy=(tmp_path / "copy").as_uri())
    train(job, watch=Account)
    whole = kept_files(job)
    shutil.rmtree(job.work)
    shutil.rmtree(job.out)
    train(job, watch=Account)
    assert "going on after step 8 of 8" in (job.work / "train.log").read_text()
    assert kept_files(job) == whole
