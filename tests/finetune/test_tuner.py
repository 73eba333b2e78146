"""The steps of an epoch, and the one copy of the weights that is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiktoken
import torch

from noiseband.finetune.prompts import encode_example
from noiseband.finetune.rows import Row
from noiseband.finetune.tuner import Tuner
from noiseband.finetune.watcher import Watcher
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.config import Protocol


class Losses(Watcher):
    """Keeps each step's loss."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self.seen.append(loss)


@pytest.mark.parametrize(("dropout", "different"), [(0.2, 8), (0.0, 1)])
def test_each_step_of_each_epoch_has_dropout_of_its_own(
    model_file: Path,
    config: Model,
    rows: list[Row],
    encoding: tiktoken.Encoding,
    protocol: Protocol,
    dropout: float,
    different: int,
) -> None:
    """With equal rows and a rate too small to move a weight, only dropout can differ."""
    still = protocol.model_copy(update={"learning_rate": 1e-30, "weight_decay": 0.0})
    dropping = config.model_copy(update={"dropout": dropout})
    model = load_model(model_file, dropping, "explicit", torch.device("cpu"))
    tuner, losses = Tuner(model, still, 1, pad=256), Losses()
    alike = replace(rows[0], instruction="a", input="", output="b")
    examples = [encode_example(alike, encoding, "short", 32)] * 16
    for epoch in (1, 2):
        tuner.epoch(epoch, examples, losses)
    assert len(losses.seen) == 8  # two epochs of four steps
    assert len(set(losses.seen)) == different


def test_one_copy_is_kept_and_written_over(
    model_file: Path, config: Model, protocol: Protocol
) -> None:
    model = load_model(model_file, config, "explicit", torch.device("cpu"))
    tuner = Tuner(model, protocol, 1, pad=256)
    assert tuner.kept is None
    tuner.keep()
    places = addresses(tuner)
    with torch.no_grad():
        model.tok_emb.weight.fill_(1.0)
        tuner.keep()
        model.tok_emb.weight.fill_(2.0)
    assert addresses(tuner) == places
    tuner.go_back()
    assert bool((tuner.weights()["tok_emb.weight"] == 1.0).all())


def addresses(tuner: Tuner) -> list[int]:
    assert tuner.kept is not None
    return [kept.data_ptr() for kept in tuner.kept]
