"""Fine-tuning gives equal bits for equal arguments, correct losses, and the right weights."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from noiseband.finetune.loop import finetune, finetune_file
from noiseband.finetune.prompts import encode_example
from noiseband.finetune.rows import Row
from noiseband.finetune.tuner import shuffled
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.config import Protocol
from noiseband.study.params import FinetuneParams

Tune = Callable[..., tuple[dict[str, Any], bytes]]


@pytest.fixture
def tune(
    model_file: Path,
    config: Model,
    rows: list[Row],
    encoding: tiktoken.Encoding,
    protocol: Protocol,
    tmp_path: Path,
) -> Tune:
    """Fine-tune with changed arguments; return the contents of `epochs.json` and of the weights."""

    def run(
        seed: int = 1, model: Model = config, rows: list[Row] = rows, **changes: Any
    ) -> tuple[dict[str, Any], bytes]:
        changed = protocol.model_copy(update=changes)
        finetune(model_file, model, "explicit", rows, encoding, changed, seed, tmp_path)
        weights = (tmp_path / "model.safetensors").read_bytes()
        return json.loads((tmp_path / "epochs.json").read_text()), weights

    return run


@pytest.fixture
def validation_loss(
    config: Model, rows: list[Row], encoding: tiktoken.Encoding
) -> Callable[[Path, str], float]:
    """The mean loss of a model over the validation rows, computed row by row in float64."""

    def mean(file: Path, loss_on: str) -> float:
        model = load_model(file, config, "explicit", torch.device("cpu")).double()
        losses: list[Tensor] = []
        for row in rows:
            if row.split == "validation":
                example = encode_example(row, encoding, "short", config.context)
                tokens = torch.tensor(example.tokens)
                each = F.cross_entropy(model(tokens[None, :-1])[0], tokens[1:], reduction="none")
                losses.append(each[example.prompt - 1 :] if loss_on == "answer" else each)
        return float(torch.cat(losses).detach().mean())

    return mean


@pytest.mark.bits
def test_twice_is_the_same_and_another_seed_is_not(tune: Tune) -> None:
    first, second, other = tune(seed=1), tune(seed=1), tune(seed=2)
    assert first == second
    assert first[1] != other[1]
    assert first[0]["epochs"][0] == other[0]["epochs"][0]
    assert first[0]["epochs"][1] != other[0]["epochs"][1]


def test_dropout_is_the_protocols_and_never_the_models(tune: Tune, config: Model) -> None:
    assert config.dropout == 0.9
    undropped = config.model_copy(update={"dropout": 0.0})
    assert tune()[1] == tune(model=undropped)[1]
    assert tune()[1] != tune(dropout=0.0)[1]


def test_shuffling_and_dropout_both_depend_on_the_seed(tune: Tune, rows: list[Row]) -> None:
    # Without dropout, only the order of the rows can make a difference.
    assert tune(seed=1, dropout=0.0)[1] != tune(seed=2, dropout=0.0)[1]
    # With equal rows the order makes none, so only dropout can.
    alike = [replace(row, instruction="a", input="", output="b") for row in rows]
    assert tune(seed=1, rows=alike, dropout=0.0)[1] == tune(seed=2, rows=alike, dropout=0.0)[1]
    assert tune(seed=1, rows=alike, dropout=0.2)[1] != tune(seed=2, rows=alike, dropout=0.2)[1]


def test_training_is_plain_adamw_over_the_shuffled_rows(
    tune: Tune, model_file: Path, config: Model, rows: list[Row], encoding: tiktoken.Encoding
) -> None:
    """Compared with a loop in float64, without batches or padding."""
    undropped = config.model_copy(update={"dropout": 0.0})
    model = load_model(model_file, undropped, "explicit", torch.device("cpu")).double()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    train = [row for row in rows if row.split == "train"]
    for epoch in (1, 2):
        order, losses = shuffled(len(train), 1, epoch), []
        for begin in range(0, len(train), 4):
            step = []
            for i in order[begin : begin + 4]:
                tokens = torch.tensor(
                    encode_example(train[i], encoding, "short", config.context).tokens
                )
                logits = model(tokens[None, :-1])[0]
                step.append(F.cross_entropy(logits, tokens[1:], reduction="none"))
            optimizer.zero_grad()
            torch.autograd.backward(torch.cat(step).mean())
            optimizer.step()
            losses.append(torch.cat(step).detach())
        expected = float(torch.cat(losses).mean())
        found = tune(dropout=0.0, epochs=epoch)[0]["epochs"][epoch]["train_loss"]
        assert found == pytest.approx(expected, rel=1e-5)


def test_every_epoch_has_an_order_of_its_own() -> None:
    orders = [shuffled(27, seed, epoch) for seed in (1, 2) for epoch in (1, 2)]
    assert all(sorted(order) == list(range(27)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


@pytest.mark.parametrize("loss_on", ["text", "answer"])
def test_validation_loss_is_the_mean_over_tokens(
    tune: Tune,
    validation_loss: Callable[[Path, str], float],
    model_file: Path,
    tmp_path: Path,
    loss_on: str,
) -> None:
    epochs = tune(loss_on=loss_on)[0]["epochs"]
    before, after = epochs[0]["validation_loss"], epochs[-1]["validation_loss"]
    assert before == pytest.approx(validation_loss(model_file, loss_on), rel=1e-6)
    tuned = tmp_path / "model.safetensors"
    assert after == pytest.approx(validation_loss(tuned, loss_on), rel=1e-6)
    assert after < before


def test_without_patience_all_epochs_run_and_the_last_one_counts(
    tune: Tune, validation_loss: Callable[[Path, str], float], tmp_path: Path
) -> None:
    # The rate is too high to keep improving, so the last epoch is not the best.
    card, _ = tune(epochs=6, learning_rate=0.1)
    losses = [epoch["validation_loss"] for epoch in card["epochs"]]
    assert len(losses) == 7
    assert (card["stopped"], card["kept_epoch"]) == ("epochs", 6)
    assert card["best_epoch"] == losses.index(min(losses)) != 6
    kept = validation_loss(tmp_path / "model.safetensors", "text")
    assert kept == pytest.approx(losses[6], rel=1e-6)


@pytest.mark.parametrize("patience", [1, 2])
def test_early_stop_goes_back_to_the_best_epoch(
    tune: Tune, validation_loss: Callable[[Path, str], float], tmp_path: Path, patience: int
) -> None:
    card, _ = tune(epochs=30, learning_rate=0.1, patience=patience)
    losses = [epoch["validation_loss"] for epoch in card["epochs"]]
    best = losses.index(min(losses))
    assert card["stopped"] == "patience"
    assert len(losses) - 1 == best + patience < 30
    assert card["best_epoch"] == card["kept_epoch"] == best > 0
    kept = validation_loss(tmp_path / "model.safetensors", "text")
    assert kept == pytest.approx(losses[best], rel=1e-6)


def test_a_validation_loss_that_stays_the_same_has_not_fallen(tune: Tune) -> None:
    """The published series' rule (patience 1) at its edge: the rate moves no weight."""
    card, _ = tune(learning_rate=1e-30, weight_decay=0.0, epochs=100, patience=1)
    assert len({epoch["validation_loss"] for epoch in card["epochs"]}) == 1
    assert (len(card["epochs"]) - 1, card["kept_epoch"], card["stopped"]) == (1, 0, "patience")


def test_training_that_never_helps_keeps_the_model_as_it_came(
    tune: Tune, model_file: Path, tmp_path: Path
) -> None:
    card, _ = tune(learning_rate=3.0, patience=1)
    assert (card["stopped"], card["best_epoch"]) == ("patience", 0)
    before, kept = load_file(model_file), load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(before[name], kept[name]) for name in before)


def test_every_parameter_decays(tune: Tune, model_file: Path, tmp_path: Path) -> None:
    # At this rate and decay, the first step halves every weight (1 - rate x decay), and Adam
    # changes a weight by at most the rate.
    tune(epochs=1, batch=27, learning_rate=1e-4, weight_decay=5e3, dropout=0.0)
    before, after = load_file(model_file), load_file(tmp_path / "model.safetensors")
    for name, weights in before.items():
        assert torch.allclose(after[name], weights / 2, rtol=0, atol=1.01e-4), name


def test_fine_tuning_that_diverges_ends_there(
    tune: Tune, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card, _ = tune(learning_rate=1e30, patience=2)
    assert "diverged in epoch 1 " in capsys.readouterr().err
    assert (card["stopped"], card["best_epoch"], len(card["epochs"])) == ("diverged", 0, 2)
    assert card["epochs"][1]["validation_loss"] is None
    before, kept = load_file(model_file), load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(before[name], kept[name]) for name in before)


def test_files(
    tune: Tune,
    config: Model,
    protocol: Protocol,
    model_file: Path,
    vocabulary: Path,
    rows_file: Path,
    tmp_path: Path,
) -> None:
    card, weights = tune(seed=5)
    assert (card["seed"], card["rows"]) == (5, {"train": 27, "validation": 7})
    assert card["epochs"][0]["train_loss"] is None
    out = tmp_path / "new" / "folder"
    finetune_file(config, "explicit", protocol, 5, model_file, vocabulary, rows_file, out)
    assert (out / "model.safetensors").read_bytes() == weights
    names = sorted(path.name for path in out.iterdir() if path.is_file())
    assert names == ["epochs.json", "model.safetensors"]


def test_killed_it_leaves_nothing_and_reruns_to_the_same_bits(
    tune: Tune,
    config: Model,
    protocol: Protocol,
    model_file: Path,
    vocabulary: Path,
    rows_file: Path,
    tmp_path: Path,
) -> None:
    """A real process is watched on its own terminal and killed in the middle."""
    longer, out = protocol.model_copy(update={"epochs": 300}), tmp_path / "out"
    params = FinetuneParams(model=config, attention="explicit", protocol=longer)
    files = {"model": model_file, "vocabulary": vocabulary, "rows": rows_file, "out": out}
    command = [sys.executable, "-m", "noiseband", "finetune", "--params", params.text, "--seed=5"]
    command += [f"--{name}={file}" for name, file in files.items()]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stderr=theirs)
    os.close(theirs)
    with open(ours, encoding="utf-8") as screen:
        line = next(line for line in screen if "epoch 2/300" in line)
        process.kill()
    assert re.search(r"seed 5  epoch 2/300  train \d\.\d{4}  validation \d\.\d{4}  \d+ s", line)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "model.safetensors").exists()
    short = longer.model_copy(update={"epochs": 3})
    finetune_file(config, "explicit", short, 5, model_file, vocabulary, rows_file, out)
    assert (out / "model.safetensors").read_bytes() == tune(seed=5)[1]
