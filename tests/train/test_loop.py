"""Test that a run ends with the same bits however often it was interrupted."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseband.errors import UserError
from noiseband.io.files import atomic, read_json, read_jsonl
from noiseband.io.traces import Row, read_rows
from noiseband.model.gpt import empty_model
from noiseband.train.flat import FlatParameters
from noiseband.train.loop import take_step, train
from noiseband.train.trainer import Job, Trainer

from .conftest import MakeJob

ARTEFACTS = ("model.safetensors", "model.json", "trace.parquet", "samples.jsonl", "recipe.json")


def artefacts(job: Job) -> dict[str, bytes]:
    return {name: (job.out / name).read_bytes() for name in ARTEFACTS}


RECIPES: list[dict[str, Any]] = [
    {},
    {"model.tied": True, "model.qkv_bias": True, "optimizer.clip_norm": 0.3},
    {"schedule.kind": "warmup-cosine", "batch.microbatch": 1, "attention": "sdpa"},
    {"precision": "bfloat16-amp"},
    {"precision": "float16-amp", "optimizer.fused": False},
    {"data.order": "shuffled"},
    {"model.norm.kind": "rms", "model.feed_forward.kind": "swiglu"},
]


@pytest.mark.bits
@pytest.mark.parametrize("changes", RECIPES, ids=lambda c: "+".join(c) or "baseline")
def test_a_rerun_is_identical(make_job: MakeJob, changes: dict[str, Any]) -> None:
    one, other = make_job("one", **changes), make_job("other", **changes)
    train(one)
    train(other)
    assert artefacts(one) == artefacts(other)


@pytest.mark.parametrize("changes", RECIPES[:3], ids=lambda c: "+".join(c) or "baseline")
def test_every_recipe_learns_its_tokens(make_job: MakeJob, changes: dict[str, Any]) -> None:
    # With the same eight batches repeated, correct updates must lower the loss.
    job = make_job(**changes)
    trainer = Trainer(job)
    first = take_step(trainer).loss
    for _ in range(30):
        trainer.done = 0
        last = take_step(trainer).loss
    assert last < first - 0.5


def test_seeds_change_what_they_should(make_job: MakeJob) -> None:
    job = make_job()
    recipe = job.params.recipe
    rows = {}
    changes: dict[str, dict[str, Any]] = {"same": {}, "train": {"train_seed": 1}}
    for name, change in changes.items():
        params = job.params.model_copy(update={"recipe": recipe.model_copy(update=change)})
        rows[name] = take_step(Trainer(Job(**{**vars(job), "params": params})))
    assert rows["same"].loss != rows["train"].loss  # another dropout mask
    without = make_job("dry", **{"model.dropout": 0.0})
    params = without.params.model_copy(
        update={"recipe": without.params.recipe.model_copy(update={"train_seed": 1})}
    )
    other = take_step(Trainer(Job(**{**vars(without), "params": params})))
    assert take_step(Trainer(without)) == other  # without dropout nothing is random


def test_the_trace_says_what_happened(make_job: MakeJob) -> None:
    job = make_job(**{"optimizer.clip_norm": 0.3})
    train(job)
    rows = read_rows(job.out / "trace.parquet")
    assert [row.step for row in rows] == list(range(8))
    assert all(row.clipped == (row.gradient_norm > 0.3) for row in rows)
    assert any(row.clipped for row in rows)
    assert len({row.weights_checksum for row in rows}) == 8
    weights = load_file(job.out / "model.safetensors")
    model = empty_model(job.params.recipe.model, fused=True)
    assert (
        rows[-1].weights_checksum == FlatParameters(model, weights, torch.device("cpu")).checksum()
    )
    assert [r["step"] for r in read_jsonl(job.out / "samples.jsonl")] == [0, 1, 2, 3, 6, 7]
    assert read_json(job.out / "recipe.json")["digest"] == job.params.recipe.digest


def test_gradient_of_slots_equals_one_batch_in_float64(make_job: MakeJob) -> None:
    job = make_job(**{"model.dropout": 0.0, "batch.microbatch": 1})
    trainer = Trainer(job)
    trainer.update.groups = []
    take_step(trainer)
    grad, owned = trainer.flat.grad, trainer.flat.owned
    own = {name: grad[where].view(shape) for name, (where, shape) in owned.items()}
    whole = make_job("whole", **{"model.dropout": 0.0, "batch.microbatch": 8})
    batch = Trainer(whole)
    inputs, targets = batch.window.batch(0, 0)
    model = batch.model.double()
    model.zero_grad()
    logits = model(inputs)
    torch.autograd.backward(
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    )
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        scale = parameter.grad.abs().max()
        assert float((own[name] - parameter.grad).abs().max() / scale) < 1e-5, name


@pytest.mark.parametrize("clip_norm", [None, 0.3])
def test_a_step_that_does_not_wait_for_its_norm_is_the_same(
    make_job: MakeJob, clip_norm: float | None
) -> None:
    job = make_job(**{"optimizer.clip_norm": clip_norm})
    trainers = Trainer(job), Trainer(job)
    assert trainers[0].update.waits  # on a CPU
    trainers[1].update.waits = False
    rows = [[take_step(trainer) for _ in range(4)] for trainer in trainers]
    weights, others = (trainer.flat.weights.detach() for trainer in trainers)
    if clip_norm is None:
        assert rows[0] == rows[1]
        assert torch.equal(weights, others)
    else:  # a division there, a multiplication here
        assert any(row.clipped for row in rows[0])
        assert [row.clipped for row in rows[0]] == [row.clipped for row in rows[1]]
        torch.testing.assert_close(others, weights, rtol=0, atol=1e-6)


PROGRAM = """
import sys, time
from pathlib import Path
from noiseband.corpus.token_file import open_tokens
from noiseband.corpus.vocabulary import load_encoding
from noiseband.study.params import TrainParams
from noiseband.train import loop, trainer
from noiseband.train.watcher import Watcher

params, *files = sys.argv[1:]
tokens, vocabulary, init, work, out = map(Path, files)
job = trainer.Job(TrainParams.model_validate_json(params), open_tokens(tokens),
                  load_encoding(vocabulary), init, work, out)

class Announcer(Watcher):
    def step(self, row):
        print(row.step, flush=True)
        time.sleep(0.02)

try:
    loop.train(job, watch=Announcer)
except loop.Interrupted as stop:
    sys.exit(128 + stop.signal)
"""


def start(job: Job) -> subprocess.Popen[str]:
    """Start the job in a process that prints each finished step."""
    folder = job.work.parent
    files = (
        folder / "tokens.safetensors",
        folder / "vocabulary.tiktoken",
        job.init,
        job.work,
        job.out,
    )
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, job.params.text, *map(str, files)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for_step(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= step:
            return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_stop_saves_the_step_reached(make_job: MakeJob, number: signal.Signals) -> None:
    whole, cut = make_job("whole"), make_job("cut")
    train(whole)
    with start(cut) as process:
        wait_for_step(process, 4)
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
    with start(cut) as process:
        output, errors = process.communicate(timeout=60)
    assert "going on after step" in errors
    assert int(output.split()[0]) >= 5, "it should not start again from an earlier checkpoint"
    assert artefacts(cut) == artefacts(whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"data.order": "sequential"},
        {"data.order": "shuffled"},
        {"data.order": "shuffled", "batch.ramp.sequences": 2, "batch.ramp.share": 0.6},
        {"data.order": "shuffled", "data.epochs": 3, "data.packing": "best-fit"},
    ],
)
def test_kills_at_any_moment_leave_the_bits_alone(
    make_job: MakeJob, changes: dict[str, Any]
) -> None:
    whole, cut = make_job("whole", every=2, **changes), make_job("cut", every=2, **changes)
    train(whole)
    chance = random.Random(7)
    for _ in range(4):
        with start(cut) as process:
            wait_for_step(process, chance.randrange(1, 6))
            time.sleep(chance.random() * 0.03)
            process.kill()
    train(cut)
    assert artefacts(cut) == artefacts(whole)


def test_too_few_tokens_are_an_error_that_says_how_many(make_job: MakeJob) -> None:
    job = make_job(**{"data.train_tokens": 1200})
    job = replace(job, tokens=job.tokens[:1100])
    with pytest.raises(UserError, match=r"train_tokens=1200: .* token 1,281 .* has 1,100; lower"):
        train(job)


def test_a_token_of_another_vocabulary_is_named(make_job: MakeJob) -> None:
    job = make_job()
    tokens = np.array(job.tokens)
    tokens[140] = 300
    with pytest.raises(UserError, match="token 140 of the training split is 300, but the model"):
        train(replace(job, tokens=tokens))


def test_initial_weights_that_are_none_are_named(make_job: MakeJob) -> None:
    job = make_job()
    job.init.write_bytes(b"")
    with pytest.raises(UserError, match=r"init.safetensors is damaged \(not the bytes that were"):
        train(job)
    with atomic(job.init) as temporary:
        temporary.write_bytes(b"weights")
    with pytest.raises(UserError, match=r"init.safetensors is damaged \(not a safetensors file"):
        train(job)
    job.init.unlink()
    with pytest.raises(UserError, match=r"init\.safetensors: No such file"):
        train(job)
    with atomic(job.init) as temporary:
        save_file({"tok_emb.weight": torch.zeros(2)}, temporary)
    with pytest.raises(
        UserError, match=r"weights do not fit the model: .* in one and not the other"
    ):
        train(job)


def test_rows_survive_the_trace_file(tmp_path: Path) -> None:
    from noiseband.io.traces import write_trace

    rows = [
        Row(0, 1.5, 0.1, math.inf, False, True, -(2**62)),
        Row(1, 1e-30, 0.1, 3.0, True, False, 5),
    ]
    write_trace(tmp_path / "trace.parquet", rows)
    assert read_rows(tmp_path / "trace.parquet") == rows
