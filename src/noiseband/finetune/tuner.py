"""A model in fine-tuning: epochs, losses, and a copy of the best weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from noiseband.finetune.data import IGNORED, collate
from noiseband.finetune.lora import Adapters
from noiseband.finetune.prompts import Example
from noiseband.finetune.watcher import Watcher
from noiseband.model.gpt import GPT
from noiseband.randomness import derived_seed
from noiseband.study.config import Protocol
from noiseband.train.optimizers.adamw import AdamW


class Tuner:
    """A model, its trained parameters, and their optimiser."""

    def __init__(self, model: GPT, protocol: Protocol, seed: int, pad: int) -> None:
        self.model, self.protocol, self.seed, self.pad = model, protocol, seed, pad
        self.device = model.tok_emb.weight.device
        self.adapters = Adapters(model, protocol.lora, seed) if protocol.lora else None
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.kept: list[Tensor] | None = None
        """The only copy of the trained parameters."""
        self.adamw = AdamW(self.trained, weight_decay=protocol.weight_decay, fused=True)

    def epoch(self, number: int, examples: Sequence[Example], watcher: Watcher) -> float:
        """Train on every example once; the mean loss over the tokens that count."""
        self.model.train()
        order = shuffled(len(examples), self.seed, number)
        begins = range(0, len(order), self.protocol.batch)
        total, count = 0.0, 0
        for step, begin in enumerate(begins):
            chosen = [examples[i] for i in order[begin : begin + self.protocol.batch]]
            torch.manual_seed(derived_seed("finetune", self.seed, number, step))
            summed, counted = self._losses(chosen)
            (summed / counted).backward()  # type: ignore[no-untyped-call]
            self.adamw.step(self.protocol.learning_rate)
            self.adamw.clear()
            loss = float(summed.detach())
            total, count = total + loss, count + counted
            watcher.step(number, step + 1, len(begins), loss / counted)
        return total / count

    @torch.no_grad()
    def loss(self, examples: Sequence[Example]) -> float:
        """The mean loss over the tokens that count, with dropout off."""
        self.model.eval()
        total, count = 0.0, 0
        for begin in range(0, len(examples), self.protocol.batch):
            loss, counted = self._losses(examples[begin : begin + self.protocol.batch])
            total, count = total + float(loss), count + counted
        return total / count

    @torch.no_grad()
    def keep(self) -> None:
        """Copy the trained parameters, replacing any earlier copy."""
        if self.kept is None:
            self.kept = [torch.empty_like(parameter) for parameter in self.trained]
        for kept, parameter in zip(self.kept, self.trained, strict=True):
            kept.copy_(parameter)

    @torch.no_grad()
    def go_back(self) -> None:
        """Restore the copy that `keep` made."""
        assert self.kept is not None
        for kept, parameter in zip(self.kept, self.trained, strict=True):
            parameter.copy_(kept)

    def weights(self) -> dict[str, Tensor]:
        """The model's current parameters with adapters merged into them. This ends the training."""
        if self.adapters is not None:
            self.adapters.merge()
        return {name: parameter.detach() for name, parameter in self.model.named_parameters()}

    def _losses(self, examples: Sequence[Example]) -> tuple[Tensor, int]:
        """The sum of -log p(target) in nats, and the number of targets that count."""
        inputs, targets = collate(examples, self.protocol.loss_on, self.pad)
        logits = self.model(inputs.to(self.device)).flatten(0, 1)
        loss = F.cross_entropy(
            logits, targets.to(self.device).flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return loss, int((targets != IGNORED).sum())


def shuffled(count: int, seed: int, epoch: int) -> list[int]:
    """0 to count - 1 in the order of an epoch, sorted by hash and so equal with any library."""
    return sorted(range(count), key=lambda i: derived_seed("finetune", seed, epoch, "row", i))
