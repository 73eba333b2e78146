"""What training minimises: the mean cross-entropy of a microbatch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from noiseband.determinism import ARITHMETIC, autocast
from noiseband.model.gpt import GPT
from noiseband.study.recipe import Recipe
from noiseband.train.loss import head_loss


class Objective(nn.Module):
    """Inputs and targets, each (microbatch, context) int64, to the scaled loss: a float32 scalar
    in nats, times `scale`."""

    def __init__(self, model: GPT, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        self.model = model
        self.precision = recipe.precision
        self.device = device
        self.compiled = recipe.compile

    def forward(self, inputs: Tensor, targets: Tensor, scale: float) -> Tensor:
        with autocast(self.precision, self.device):
            if self.compiled:
                # A compiler fuses PyTorch's own loss with what stands before and after it.
                logits = self.model(inputs).flatten(0, 1)
                return F.cross_entropy(logits.float(), targets.flatten()) * scale
            hidden = self.model.hidden(inputs).flatten(0, 1)
        dtype = ARITHMETIC[self.precision].autocast or torch.float32
        return head_loss(hidden, self.model.head, targets.flatten(), dtype, scale)
