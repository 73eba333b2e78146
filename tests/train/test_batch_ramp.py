"""Training whose batch grows: the same as a plain loop of PyTorch over growing batches."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from noiseband.analysis.tables import run_row
from noiseband.errors import UserError
from noiseband.io.files import write_json
from noiseband.io.traces import Row, read_rows, read_table
from noiseband.model.load import load_model
from noiseband.train.fit import microbatches
from noiseband.train.launch.processes import Processes
from noiseband.train.loop import take_step, train
from noiseband.train.progress import Progress
from noiseband.train.trainer import Trainer
from tests.train.conftest import MakeJob

RAMP: dict[str, Any] = {
    "batch.sequences": 8,
    "batch.microbatch": 1,
    "batch.ramp.sequences": 2,
    "batch.ramp.share": 0.5,
    "data.train_tokens": 64 * 16,
    "model.dropout": 0.0,
}
SIZES = [2] * 8 + [4] * 4 + [8] * 4
"""Sequences in each step."""


@pytest.mark.parametrize("order", ["sequential", "shuffled"])
def test_every_sequence_is_read_once(make_job: MakeJob, order: str) -> None:
    trainer = Trainer(make_job(**RAMP, **{"data.order": order}))
    read = [
        int(trainer.window.chosen(step, slot)[0])
        for step, size in enumerate(SIZES)
        for slot in range(size)
    ]
    assert trainer.recipe.steps == len(SIZES)
    assert sorted(read) == list(range(64))
    assert (read == list(range(64))) == (order == "sequential")


def test_it_is_a_plain_loop_over_growing_batches(make_job: MakeJob) -> None:
    rate = {"optimizer.kind": "sgd", "optimizer.learning_rate": 0.1, "optimizer.weight_decay": 0.0}
    job = make_job(**RAMP, **rate, **{"schedule.kind": "warmup-linear", "schedule.warmup": 0.5})
    trainer = Trainer(job)
    model = load_model(job.init, job.params.recipe.model, "explicit", torch.device("cpu"))
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    tokens = torch.from_numpy(job.tokens[: 64 * 16 + 1].astype("int64"))
    begin = 0
    for size in SIZES:
        row = take_step(trainer)
        end = begin + size * 16
        inputs, targets = tokens[begin:end].view(-1, 16), tokens[begin + 1 : end + 1].view(-1, 16)
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.param_groups[0]["lr"] = row.learning_rate
        optimizer.step()
        assert row.sequences == size
        assert row.loss == pytest.approx(loss.item(), rel=1e-5)
        begin = end
    found = trainer.flat.views(trainer.flat.weights)
    for name, expected in model.named_parameters():
        torch.testing.assert_close(found[name], expected.detach(), rtol=0, atol=1e-5)


def test_the_trace_has_the_sequences_of_each_step(make_job: MakeJob) -> None:
    job, plain = make_job("ramped", **RAMP), make_job("plain")
    train(job)
    train(plain)
    assert [row.sequences for row in read_rows(job.out / "trace.parquet")] == SIZES
    assert "sequences" not in read_table(plain.out / "trace.parquet").column_names
    # The table of runs counts the tokens that were really read.
    write_json(job.out / "test_loss.json", {"test_loss": 5.0, "bits_per_byte": 2.0})
    row = run_row(job.out, job.params.recipe.digest)
    assert (row.steps, row.tokens) == (16, 1024)


def test_processes_share_the_smallest_step(make_job: MakeJob) -> None:
    job = make_job(**RAMP)
    with pytest.raises(UserError, match="the recipe has 2 slots; use a power of two"):
        Trainer(job, Processes(0, 4, torch.device("cpu")))
    assert microbatches(job.params.recipe, 1) == [1, 2]
    assert microbatches(job.params.recipe, 2) == [1]


def test_the_log_counts_the_tokens_of_small_steps(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_job(**RAMP).params.recipe
    clock = iter(range(100))
    monkeypatch.setattr("noiseband.train.progress.time.perf_counter", lambda: float(next(clock)))
    progress = Progress(
        "run", recipe.steps, recipe.tokens_before, tmp_path / "log", None, io.StringIO()
    )
    row = Row(0, 5.0, 0.1, 1.0, False, False, 0)
    for step in range(10):
        progress.step(replace(row, step=step))
    # After the first of ten steps: seven of two sequences, and two of four.
    assert progress.tokens_per_second == pytest.approx((7 * 2 + 2 * 4) * 16 / 9)
    progress.close()
    last = (tmp_path / "log").read_text().splitlines()[-1]
    assert "step 10/16" in last
    assert f"{22 * 16 / 9:,.0f} tokens/s" in last
