"""Fine-tune a model with noiseband, and with a plain loop around transformers' model.

These are contenders for `benchmarks.stages`. Both train in float32 on the same examples in the same
order, and a step is an optimiser step.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file

from benchmarks.contenders import Work, hugging_face, set_tf32
from benchmarks.side_by_side import Pace
from noiseband.determinism import make_deterministic
from noiseband.finetune.data import IGNORED, collate
from noiseband.finetune.prompts import Example
from noiseband.finetune.tuner import Tuner, shuffled
from noiseband.finetune.watcher import Watcher
from noiseband.model.load import load_model
from noiseband.study.config import Protocol

SEED, PAD = 42, 0
PROTOCOL = Protocol(instructions="stand-in", epochs=1, patience=None, dropout=0.0)


def lengths(context: int) -> list[int]:
    """The number of input tokens of each row, from a quarter of the context to almost all of it."""
    return [context // 4 + (37 * row) % (3 * context // 4) for row in range(64)]


def examples(tokens: NDArray[np.uint16], context: int) -> list[Example]:
    """Rows of these lengths, each with one more token as its last target; half is prompt."""
    return [
        Example(tokens[row * context :][: length + 1].tolist(), length // 2)
        for row, length in enumerate(lengths(context))
    ]


@dataclass(frozen=True)
class Noiseband(Work):
    """The tuner as `noiseband finetune` runs it."""

    def __call__(self, pace: Pace) -> None:
        params, tokens, weights, device = self.read()
        model = params.recipe.model.model_copy(update={"dropout": 0.0})
        make_deterministic(threads=1, precision="float32")
        with tempfile.TemporaryDirectory() as folder:
            save_file(weights, file := Path(folder, "model.safetensors"))
            tuner = Tuner(load_model(file, model, "sdpa", device), PROTOCOL, SEED, PAD)

        class Turns(Watcher):
            def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
                pace.step(loss)

        rows = examples(tokens, model.context)
        pace.begin()
        for number in itertools.count(1):
            tuner.epoch(number, rows, Turns())


@dataclass(frozen=True)
class Transformers(Work):
    """A loop around GPT2LMHeadModel."""

    def __call__(self, pace: Pace) -> None:
        params, tokens, weights, device = self.read()
        recipe = params.recipe.model_copy(update={"precision": "float32"})
        params = params.model_copy(update={"recipe": recipe})
        set_tf32(params)
        model = hugging_face(params, weights, "sdpa").to(device)
        optimizer = torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad],
            lr=PROTOCOL.learning_rate,
            weight_decay=PROTOCOL.weight_decay,
            fused=True,
        )
        rows = examples(tokens, recipe.model.context)
        pace.begin()
        for number in itertools.count(1):
            order = shuffled(len(rows), SEED, number)
            for begin in range(0, len(order), PROTOCOL.batch):
                chosen = [rows[i] for i in order[begin : begin + PROTOCOL.batch]]
                inputs, targets = collate(chosen, PROTOCOL.loss_on, PAD)
                logits = model(inputs.to(device), use_cache=False).logits.flatten(0, 1)
                loss = F.cross_entropy(logits, targets.to(device).flatten(), ignore_index=IGNORED)
                torch.autograd.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
                pace.step(float(loss.detach()))
