"""Instruction fine-tuning of one model with one seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tiktoken
from safetensors.torch import save_file

from noiseband.corpus.vocabulary import load_encoding
from noiseband.determinism import make_deterministic, pick_device
from noiseband.errors import UserError
from noiseband.finetune.console import Console
from noiseband.finetune.data import encode_example
from noiseband.finetune.rows import Row, read_rows
from noiseband.finetune.tuner import Tuner
from noiseband.io.files import atomic, write_json
from noiseband.model.gpt import AttentionKind
from noiseband.model.load import load_model
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

    AdamW in float32 at a constant learning rate, decay on every parameter that is trained, the
    protocol's dropout whatever the config says. The order of the rows is a function of (seed,
    epoch), dropout of (seed, epoch, step), adapters of the seed, so equal arguments give equal
    bits. With `patience`, training stops after that many epochs without a lower validation loss
    and the best epoch's weights are kept (epoch 0, if training never helped); without, it runs all
    epochs and the last one's are kept. Adapters are merged: the file holds the model's own
    parameters by either method.

    Raises UserError for a model file that does not fit the config, a row whose prompt leaves no
    room for its answer, a loss that is not finite, and `lora` without `peft`.
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
    console = Console(f"{model_file}  seed {seed}", protocol.epochs)

    epochs = [Epoch(0, None, tuner.loss(validation))]
    _check_finite(epochs[0], model_file, protocol)
    best, stopped = 0, "epochs"
    for number in range(1, protocol.epochs + 1):
        if protocol.patience is not None and best == number - 1:
            tuner.keep()
        train_loss = tuner.epoch(number, train, console)
        epoch = Epoch(number, train_loss, tuner.loss(validation))
        epochs.append(epoch)
        _check_finite(epoch, model_file, protocol)
        console.epoch(number, train_loss, epoch.validation_loss)
        if epoch.validation_loss < epochs[best].validation_loss:
            best = number
        elif protocol.patience is not None and number - best >= protocol.patience:
            stopped = "patience"
            break
    kept = epochs[-1].epoch if protocol.patience is None else best
    if kept != epochs[-1].epoch:
        tuner.go_back()

    with atomic(out / "model.safetensors") as temporary:
        save_file(tuner.weights(), temporary)
    write_json(
        out / "epochs.json",
        {
            "seed": seed,
            "rows": {"train": len(train), "validation": len(validation)},
            "stopped": stopped,
            "best_epoch": best,
            "kept_epoch": kept,
            "epochs": [asdict(epoch) for epoch in epochs],
        },
    )


def _check_finite(epoch: Epoch, model_file: Path, protocol: Protocol) -> None:
    losses = (epoch.train_loss, epoch.validation_loss)
    if not all(loss is None or math.isfinite(loss) for loss in losses):
        raise UserError(
            f"{model_file}: fine-tuning diverged in epoch {epoch.epoch} (training loss "
            f"{epoch.train_loss}, validation loss {epoch.validation_loss}); lower "
            f"learning_rate={protocol.learning_rate}"
        )
