"""Fine-tune one model on instructions with one seed."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from noiseband.corpus.vocabulary import Encoding, load_encoding
from noiseband.determinism import make_deterministic, pick_device
from noiseband.finetune.prompts import encode_example
from noiseband.finetune.rows import Row, read_rows
from noiseband.finetune.tuner import Tuner
from noiseband.finetune.watcher import Watcher
from noiseband.io.files import atomic, write_json
from noiseband.model.attention import AttentionKind
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.config import Protocol


@dataclass(frozen=True)
class Epoch:
    """The losses of one pass over the rows, in nats per token that counts."""

    epoch: int
    """The number of the epoch; 0 is the model before fine-tuning."""
    train_loss: float | None
    """The mean during training, with dropout on; None for epoch 0."""
    validation_loss: float
    """The loss after the epoch, with dropout off."""

    @property
    def finite(self) -> bool:
        """Whether both losses are numbers."""
        return all(
            _number(loss) is not None for loss in (self.train_loss or 0.0, self.validation_loss)
        )

    @property
    def row(self) -> dict[str, int | float | None]:
        """The epoch as JSON, in which a loss that is not finite is null."""
        return {
            "epoch": self.epoch,
            "train_loss": _number(self.train_loss),
            "validation_loss": _number(self.validation_loss),
        }


def _number(loss: float | None) -> float | None:
    return loss if loss is not None and math.isfinite(loss) else None


def finetune_file(
    config: Model,
    attention: AttentionKind,
    protocol: Protocol,
    seed: int,
    model: Path,
    vocabulary: Path,
    rows: Path,
    out: Path,
    watcher: Watcher | None = None,
) -> None:
    """Call `finetune` with rows and encoding read from their files; `out` is a folder."""
    encoding = load_encoding(vocabulary)
    finetune(model, config, attention, read_rows(rows), encoding, protocol, seed, out, watcher)


def finetune(
    model_file: Path,
    config: Model,
    attention: AttentionKind,
    rows: Sequence[Row],
    encoding: Encoding,
    protocol: Protocol,
    seed: int,
    out: Path,
    watcher: Watcher | None = None,
) -> None:
    """Train a model on the `train` rows; write `model.safetensors` and `epochs.json` into `out`.

    It uses AdamW in float32 at a constant learning rate, with weight decay on every trained
    parameter, and the protocol's dropout instead of the config's. The order of the rows is a
    function of (seed, epoch), dropout of (seed, epoch, step), and adapters of the seed, so equal
    arguments give equal bits. With `patience`, training stops after that many epochs without a
    lower validation loss, and the best epoch's weights are kept (those of epoch 0 if training never
    helped). Without it, all epochs run and the last weights are kept. Adapters are merged, so the
    file has the model's own parameters with either method.

    If a loss is not finite, fine-tuning has diverged and ends there: `stopped` in `epochs.json` is
    `diverged`, and the loss is null.

    Raises UserError if the model file does not fit the config, a row's prompt leaves no room for
    its answer, or `lora` is used without `peft`.
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
    watcher = watcher or Watcher()

    epochs = [Epoch(0, None, tuner.loss(validation))]
    best, stopped = 0, "epochs"
    for number in range(1, protocol.epochs + 1):
        if not epochs[-1].finite:
            break
        if protocol.patience is not None and best == number - 1:
            tuner.keep()
        train_loss = tuner.epoch(number, train, watcher)
        epoch = Epoch(number, train_loss, tuner.loss(validation))
        epochs.append(epoch)
        watcher.epoch(number, train_loss, epoch.validation_loss)
        if epoch.validation_loss < epochs[best].validation_loss:
            best = number
        elif protocol.patience is not None and number - best >= protocol.patience:
            stopped = "patience"
            break
    if not epochs[-1].finite:
        stopped = "diverged"
        _explain(epochs[-1], model_file, protocol)
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
            "epochs": [epoch.row for epoch in epochs],
        },
    )


def _explain(epoch: Epoch, model_file: Path, protocol: Protocol) -> None:
    """Say on standard error where fine-tuning diverged, and what may help."""
    print(
        f"{model_file}: fine-tuning diverged in epoch {epoch.epoch} (training loss "
        f"{epoch.train_loss}, validation loss {epoch.validation_loss}); if the model itself did "
        f"not, lower learning_rate={protocol.learning_rate}",
        file=sys.stderr,
    )
