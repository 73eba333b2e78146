"""Moving averages of the weights: equal to PyTorch's, through kills, and without effect."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from noiseband.io.digests import digests
from noiseband.io.files import read_json
from noiseband.study.paths import average_in
from noiseband.train.account import Account
from noiseband.train.checkpoint import load
from noiseband.train.loop import take_step, train
from noiseband.train.replay import by_name
from noiseband.train.trainer import Job, Trainer
from tests.train.conftest import MakeJob, train_command
from tests.train.test_deaths import artefacts


def averaging(job: Job, **decays: float) -> Job:
    """The job with moving averages."""
    return replace(job, params=job.params.model_copy(update={"averages": decays}))


def average_files(job: Job) -> dict[str, bytes]:
    """The averages of a finished run, with their digests."""
    files = [file for file in (job.out / "averages").glob("*/*") if file.is_file()]
    return {str(file.relative_to(job.out)): file.read_bytes() for file in files}


@pytest.mark.bits
def test_they_are_those_of_pytorch(make_job: MakeJob) -> None:
    trainer = Trainer(averaging(make_job(), fast=0.5, slow=0.99, again=0.99))
    assert len(trainer.averages.held) == 2
    module = nn.Module()
    module.weights = nn.Parameter(trainer.flat.weights)
    expected = {
        decay: AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
        for decay in trainer.averages.held
    }
    for _ in range(5):
        take_step(trainer)
        for averaged in expected.values():
            averaged.update_parameters(module)
    for decay, averaged in expected.items():
        [found] = averaged.module.parameters()
        assert torch.equal(trainer.averages.held[decay], found)
        assert not torch.equal(trainer.averages.held[decay], trainer.flat.weights)


def test_a_finished_run_has_them_and_is_otherwise_the_same(make_job: MakeJob) -> None:
    job, bare = averaging(make_job("averaged"), ema=0.9, weights=0.001), make_job("bare")
    train(job)
    train(bare)
    assert artefacts(job) == artefacts(bare)
    assert len(average_files(job)) == 4
    for name in ("ema", "weights"):
        found = load_file(average_in(job.out, name) / "model.safetensors")
        assert read_json(average_in(job.out, name) / "model.json") == digests(found)
    final = load_file(job.out / "model.safetensors")
    near = load_file(average_in(job.out, "weights") / "model.safetensors")
    for name, weight in final.items():
        torch.testing.assert_close(near[name], weight, rtol=0, atol=1e-3)


def test_a_killed_run_has_the_same_averages(make_job: MakeJob) -> None:
    long = {"data.train_tokens": 25_600}  # 200 steps
    undisturbed = averaging(make_job("undisturbed", every=40, **long), ema=0.98)
    train(undisturbed)
    killed = averaging(make_job("killed", every=40, **long), ema=0.98)
    first = killed.work / "step-00000041.safetensors"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(train_command(killed, 2), env=environment)
    while not first.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not killed.out.exists()
    done = subprocess.run(train_command(killed), env=environment)
    assert done.returncode == 0
    assert average_files(killed) == average_files(undisturbed)
    assert artefacts(killed) == artefacts(undisturbed)


def test_a_run_does_not_resume_with_an_average_of_another_decay(make_job: MakeJob) -> None:
    job = averaging(make_job(every=3), ema=0.9)
    train(job)
    shutil.rmtree(job.out)
    train(averaging(job, renamed=0.9), watch=Account)
    log = job.work / "train.log"
    assert "going on after step 8" in log.read_text()
    train(averaging(job, ema=0.8), watch=Account)
    assert "is of no use without the average ema (decay 0.8)" in log.read_text()
    whole = average_files(job)
    fresh = averaging(make_job("fresh"), ema=0.8)
    train(fresh)
    name = "averages/ema/model.safetensors"
    assert whole[name] == average_files(fresh)[name]


def test_a_checkpoint_can_be_cut_into_parameters(make_job: MakeJob) -> None:
    job = averaging(make_job(), ema=0.9)
    train(job)
    state, _ = load(job.work)
    assert state is not None
    found = by_name(job, state)["average.0.9"]
    expected = load_file(average_in(job.out, "ema") / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
