"""Gradients, weights and moments that are not finite: skipped steps, and runs that diverge."""

from __future__ import annotations

import math
import os
import signal

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseband.io.files import atomic
from noiseband.io.traces import Row, read_rows
from noiseband.train import objective
from noiseband.train.account import Account
from noiseband.train.loop import Interrupted, take_step, train
from noiseband.train.loss import head_loss
from noiseband.train.trainer import Job, Trainer

from .conftest import MakeJob


@pytest.mark.parametrize("waits", [True, False])
def test_a_step_with_an_infinite_gradient_moves_nothing(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    job = make_job(precision="float16-amp")
    trainer = Trainer(job)
    trainer.update.waits = waits
    take_step(trainer)
    before, scale = trainer.flat.weights.clone(), trainer.scale.scale
    monkeypatch.setattr(objective, "head_loss", lambda *a: head_loss(*a) * math.inf)
    row = take_step(trainer)
    assert row.skipped
    assert not math.isfinite(row.gradient_norm)
    assert torch.equal(trainer.flat.weights, before)
    assert trainer.scale.scale == scale / 2
    monkeypatch.setattr(objective, "head_loss", head_loss)
    assert not take_step(trainer).skipped
    assert trainer.done == 3  # the skipped step counts, and its tokens are spent
    assert trainer.state().tensors["updates"].item() == 2


def with_weights_that_are_not_finite(job: Job) -> Job:
    start = load_file(job.init)
    start["out_head.weight"][0, 0] = math.nan
    with atomic(job.init) as temporary:
        save_file(start, temporary)
    return job


def test_a_run_that_diverged_ends_early_wherever_it_was_interrupted(make_job: MakeJob) -> None:
    class Interrupting(Account):
        def step(self, row: Row) -> None:
            super().step(row)
            if row.step == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    ends = []
    for name, watch in (("whole", Account), ("twice", Interrupting)):
        job = with_weights_that_are_not_finite(make_job(name, every=1, diverged_after=5))
        if watch is Interrupting:
            with pytest.raises(Interrupted):
                train(job, watch=watch)
        train(job, watch=Account)
        said = "diverged: ended after step 5 of 8, because the last 5 had no finite gradient"
        assert said in (job.work / "train.log").read_text()
        ends.append(
            [(job.out / name).read_bytes() for name in ("trace.parquet", "model.safetensors")]
        )
        assert len(read_rows(job.out / "trace.parquet")) == 5
    assert ends[0] == ends[1]


def test_weights_that_are_not_finite_skip_every_step_and_stay(make_job: MakeJob) -> None:
    job = with_weights_that_are_not_finite(make_job())
    start = load_file(job.init)
    train(job, watch=Account)
    assert (
        "diverged: its final weights are not finite (out_head"
        in (job.work / "train.log").read_text()
    )
    assert all(row.skipped for row in read_rows(job.out / "trace.parquet"))
    end = load_file(job.out / "model.safetensors")
    assert all(
        torch.equal(end[name].view(torch.int32), start[name].view(torch.int32)) for name in end
    )


@pytest.mark.parametrize("moment", ["first_moment", "second_moment"])
def test_moments_that_are_not_finite_are_seen_in_the_trace(make_job: MakeJob, moment: str) -> None:
    """They make the weights non-finite at the next step, and all later steps are skipped."""
    job = make_job(every=1)
    trainer = Trainer(job)
    for _ in range(3):
        take_step(trainer)
    state = trainer.state()
    state.tensors = {name: value.clone() for name, value in state.tensors.items()}
    state.tensors[moment].fill_(math.nan)
    again = Trainer(job)
    again.restore(state)
    rows = [take_step(again) for _ in range(3)]
    assert [row.skipped for row in rows] == [False, True, True]
    assert [math.isfinite(row.loss) for row in rows] == [True, False, False]
