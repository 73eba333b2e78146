"""Instruction fine-tuning of one model with one seed."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tiktoken
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from noiseband.corpus.vocabulary import load_encoding
from noiseband.determinism import make_deterministic, pick_device
from noiseband.errors import UserError
from noiseband.files import atomic, write_json
from noiseband.finetune.data import IGNORED, Example, collate, encode_example
from noiseband.finetune.rows import Row, read_rows
from noiseband.model.gpt import GPT, AttentionKind
from noiseband.model.load import load_model
from noiseband.randomness import derived_seed
from noiseband.study.config import Protocol
from noiseband.study.recipe import Model


@dataclass(frozen=True)
class Epoch:
    """Losses of one pass over the rows, in nats per token that counts."""

    epoch: int
    """0 is the model as it came."""
    train_loss: float | None
    """Mean while training, dropout on; none before the first epoch."""
    validation_loss: float
    """After the epoch, dropout off."""


def finetune_file(
    config: Model,
    attention: AttentionKind,
    protocol: Protocol,
    seed: int,
    model: Path,
    vocabulary: Path,
    rows: Path,
    out: Path,
) -> None:
    """`finetune` with rows and encoding read from their files; `out` is a folder."""
    encoding = load_encoding(vocabulary)
    finetune(model, config, attention, read_rows(rows), encoding, protocol, seed, out)


def finetune(
    model_file: Path,
    config: Model,
    attention: AttentionKind,
    rows: Sequence[Row],
    encoding: tiktoken.Encoding,
    protocol: Protocol,
    seed: int,
    out: Path,
) -> None:
    """Train a model on the `train` rows; write `model.safetensors` and `epochs.json` into `out`.

    AdamW in float32 at a constant learning rate, decay on every parameter, the protocol's dropout
    whatever the config says. The order of the rows is a function of (seed, epoch), dropout of
    (seed, epoch, step), so equal arguments give equal bits. With `patience`, training stops after
    that many epochs without a lower validation loss and the best epoch's weights are kept (epoch
    0, if training never helped); without, it runs all epochs and the last one's are kept.

    Raises UserError for a model file that does not fit the config, a row whose prompt leaves no
    room for its answer, and a loss that is not finite.
    """
    make_deterministic(threads=1, precision="float32")
    train, validation = (
        [
            encode_example(row, encoding, protocol.template, config.context)
            for row in rows
            if row.split == split
        ]
        for split in ("train", "validation")
    )
    config = config.model_copy(update={"dropout": protocol.dropout})
    model = load_model(model_file, config, attention, pick_device())
    tuner = Tuner(model, protocol, seed, pad=encoding.eot_token)
    started = time.perf_counter()

    epochs = [Epoch(0, None, tuner.loss(validation))]
    _check_finite(epochs[0], model_file, protocol)
    best, weights, stopped = 0, tuner.weights(), "epochs"
    for number in range(1, protocol.epochs + 1):
        epoch = Epoch(number, tuner.epoch(number, train), tuner.loss(validation))
        epochs.append(epoch)
        _check_finite(epoch, model_file, protocol)
        _report(f"{model_file}  seed {seed}", epoch, protocol.epochs, started)
        if epoch.validation_loss < epochs[best].validation_loss:
            best, weights = number, tuner.weights()
        elif protocol.patience is not None and number - best >= protocol.patience:
            stopped = "patience"
            break
    if protocol.patience is None:
        weights = tuner.weights()

    with atomic(out / "model.safetensors") as temporary:
        save_file(weights, temporary)
    write_json(
        out / "epochs.json",
        {
            "seed": seed,
            "rows": {"train": len(train), "validation": len(validation)},
            "stopped": stopped,
            "best_epoch": best,
            "kept_epoch": epochs[-1].epoch if protocol.patience is None else best,
            "epochs": [asdict(epoch) for epoch in epochs],
        },
    )


class Tuner:
    """A model, its optimiser, and how an epoch goes."""

    def __init__(self, model: GPT, protocol: Protocol, seed: int, pad: int) -> None:
        self.model, self.protocol, self.seed, self.pad = model, protocol, seed, pad
        self.device = model.tok_emb.weight.device
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=protocol.learning_rate,
            weight_decay=protocol.weight_decay,
            fused=True,
        )

    def epoch(self, number: int, examples: Sequence[Example]) -> float:
        """Train on every example once; the mean loss over the tokens that count."""
        self.model.train()
        order = shuffled(len(examples), self.seed, number)
        total, count = 0.0, 0
        for step, begin in enumerate(range(0, len(order), self.protocol.batch)):
            chosen = [examples[i] for i in order[begin : begin + self.protocol.batch]]
            torch.manual_seed(derived_seed("finetune", self.seed, number, step))
            loss, counted = self._losses(chosen)
            (loss / counted).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.optimizer.zero_grad()
            total, count = total + float(loss.detach()), count + counted
        return total / count

    @torch.no_grad()
    def loss(self, examples: Sequence[Example]) -> float:
        """Mean loss over the tokens that count, dropout off."""
        self.model.eval()
        total, count = 0.0, 0
        for begin in range(0, len(examples), self.protocol.batch):
            loss, counted = self._losses(examples[begin : begin + self.protocol.batch])
            total, count = total + float(loss), count + counted
        return total / count

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights as they are."""
        named = self.model.named_parameters()
        return {name: parameter.detach().clone() for name, parameter in named}

    def _losses(self, examples: Sequence[Example]) -> tuple[Tensor, int]:
        """Sum of -log p(target) in nats, and how many targets count."""
        inputs, targets = collate(examples, self.protocol.loss_on, self.pad)
        logits = self.model(inputs.to(self.device)).flatten(0, 1)
        loss = F.cross_entropy(
            logits, targets.to(self.device).flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return loss, int((targets != IGNORED).sum())


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """0 to count - 1 in the order of an epoch: by hash, so the same with any library."""
    return sorted(range(count), key=lambda i: derived_seed("finetune", seed, epoch, "row", i))


def _check_finite(epoch: Epoch, model_file: Path, protocol: Protocol) -> None:
    losses = (epoch.train_loss, epoch.validation_loss)
    if not all(loss is None or math.isfinite(loss) for loss in losses):
        raise UserError(
            f"{model_file}: fine-tuning diverged in epoch {epoch.epoch} (training loss "
            f"{epoch.train_loss}, validation loss {epoch.validation_loss}); lower "
            f"learning_rate={protocol.learning_rate}"
        )


def _report(what: str, epoch: Epoch, epochs: int, started: float) -> None:
    """A line for each epoch, if anybody watches."""
    if sys.stderr.isatty():
        seconds = time.perf_counter() - started
        print(
            f"{what}  epoch {epoch.epoch}/{epochs}  train {epoch.train_loss:.4f}  "
            f"validation {epoch.validation_loss:.4f}  {seconds:.0f} s",
            file=sys.stderr,
        )
