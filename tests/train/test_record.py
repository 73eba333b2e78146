"""Test that a run's records have no effect on its bits and survive a full disk."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import resource
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noiseband.io.digests import digests
from noiseband.study.config import Checkpoints, Samples
from noiseband.train import record
from noiseband.train.account import Account
from noiseband.train.checkpoint import load
from noiseband.train.loop import train
from noiseband.train.record import sample_steps
from noiseband.train.trainer import Job, Trainer
from tests.train.conftest import MakeJob, train_command

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def bits(job: Job) -> dict[str, object]:
    """The weights, optimiser state and trace of a run."""
    state, _ = load(job.work)
    assert state is not None
    return {
        "weights": (job.out / "model.safetensors").read_bytes(),
        "state": (state.step, state.scale, digests(state.tensors)["sha256"]),
        "trace": (job.out / "trace.parquet").read_bytes(),
    }


def on_a_terminal(command: list[str]) -> list[str]:
    """The lines that a command writes to standard error on a terminal."""
    leader, follower = pty.openpty()
    with subprocess.Popen(command, stderr=follower, env=ENVIRONMENT) as process:
        os.close(follower)
        text = b""
        while True:
            try:
                text += os.read(leader, 4096)
            except OSError:  # Linux reports a closed other side in this way
                break
    os.close(leader)
    assert process.returncode == 0, text.decode()
    return text.decode().replace("\r\n", "\n").splitlines()


def test_a_terminal_shows_a_line_a_step_and_changes_no_bit(make_job: MakeJob) -> None:
    quiet, shown = make_job("quiet"), make_job("shown")
    train(quiet)
    lines = on_a_terminal(train_command(shown))
    steps = [line for line in lines if " step " in line]
    assert len(steps) == shown.params.recipe.steps == 8
    for number, line in enumerate(steps, start=1):
        assert re.fullmatch(
            rf"baseline-42  step {number}/8  loss \d\.\d{{4}}  lr 1\.000e-02  norm \d+\.\d{{3}}  "
            r"[\d,]+ tokens/s  peak unknown  \S.* left",
            line,
        ), line
        assert len(line) <= 120
    assert (shown.work / "train.log").read_text().splitlines() == lines, "the log is durable"
    assert bits(shown) == bits(quiet)


@pytest.mark.bits
def test_sampling_and_logging_change_no_bit(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual, never, always = make_job("usual"), make_job("never"), make_job("always")
    train(usual)
    monkeypatch.setattr(record, "sample_steps", lambda *_: frozenset())
    train(never)
    assert (never.out / "samples.jsonl").read_text() == ""
    monkeypatch.setattr(record, "sample_steps", lambda steps, _: frozenset(range(steps)))
    samples = Samples(prompt="Other", new_tokens=7, seed=1)
    params = always.params.model_copy(update={"samples": samples})
    with caplog.at_level(logging.DEBUG):
        train(replace(always, params=params))
    assert len((always.out / "samples.jsonl").read_text().splitlines()) == 8
    assert bits(usual) == bits(never) == bits(always)


def test_every_checkpoint_has_a_sample() -> None:
    def drawn(steps: int, **checkpoints: Any) -> list[int]:
        return sorted(sample_steps(steps, Checkpoints(**checkpoints)))

    assert drawn(8, every=3) == [0, 1, 2, 3, 6, 7]
    assert drawn(8, every=3, keep=[4, 99]) == [0, 1, 2, 3, 4, 6, 7]
    assert drawn(10, every=50, keep="all") == [0, 1, 2, 4, 8, 9]
    assert drawn(1, every=1) == [0]


def test_samples_are_drawn_as_the_config_says(make_job: MakeJob) -> None:
    def text(**options: Any) -> str:
        job = make_job("sampled")
        samples = Samples(prompt="so", new_tokens=30, **options)
        params = job.params.model_copy(update={"samples": samples})
        return str(Trainer(replace(job, params=params)).sample()["text"])

    greedy = text(temperature=0.0)
    assert text(top_k=1) == greedy == text(top_k=None, top_p=1e-6)
    assert text(top_k=None) != greedy
    assert text(top_k=None) != text(top_k=None, temperature=0.5)
    assert text(top_k=None) != text(top_k=None, seed=1)


def test_named_steps_are_kept_beside_the_newest(make_job: MakeJob) -> None:
    job = make_job()
    kept = Checkpoints(every=3, last=1, keep=[1, 4])
    train(replace(job, params=job.params.model_copy(update={"checkpoints": kept})))
    found = sorted(path.name for path in job.work.glob("step-*"))
    assert found == [f"step-{done:08d}.safetensors" for done in (2, 5, 8)]


@pytest.mark.parametrize("bytes_a_file", [100, 100_000])
def test_a_full_disk_is_a_clear_error_that_loses_nothing(
    make_job: MakeJob, bytes_a_file: int
) -> None:
    """The disk is full for logs (100 bytes) or for checkpoints; a file-size limit simulates it."""
    whole, cut = make_job("whole"), make_job("cut")
    train(whole)
    train(cut, watch=Account)
    newest = max(cut.work.glob("step-*.safetensors"))
    newest.unlink()
    shutil.rmtree(cut.out)
    (cut.work / "train.log").unlink()
    done = subprocess.run(
        train_command(cut),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file,) * 2),
    )
    assert done.returncode == 2, done.stderr
    assert "free some space and start again" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    state, complaints = load(cut.work)
    assert (state and state.step, complaints) == (7, [])
    train(cut)
    assert bits(cut) == bits(whole)


def test_timing_holds_what_is_volatile(make_job: MakeJob) -> None:
    job = make_job()
    train(job, watch=Account)
    timing = json.loads((job.out / "timing.json").read_text())
    assert timing["processes"] == 1
    assert timing["share_of_peak"] is None, "no CPU is in the table of devices"
    assert timing["peak_memory_bytes"] > 50e6
    assert timing["steps"] == 8
    assert Path(job.work / "train.log").stat().st_size > 0
