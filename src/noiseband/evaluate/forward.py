"""The loss of every target of a window: the model forward, its head some rows at a time.

The logits of a batch are by far the largest thing that a forward pass makes. Nothing is asked of
them but one number a row, so a few rows at a time do: a block stays in the cache of a CPU, and a
GPU never holds all logits at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from noiseband.determinism import ARITHMETIC, autocast
from noiseband.evaluate.window import Window
from noiseband.model.gpt import GPT
from noiseband.study.recipe import Precision

BLOCK_ROWS = {"cpu": 64, "cuda": 4096}
"""Rows of logits at a time: enough for a matrix product at full speed, and no more."""


@torch.inference_mode()
def target_losses(model: GPT, window: Window, precision: Precision) -> Tensor:
    """-log p(target) in nats for all targets in order: (n,) float32, on the CPU.

    The log-softmax is computed in float32 whatever the precision of the products.
    """
    device = model.tok_emb.weight.device
    dtype = ARITHMETIC[precision].autocast or torch.float32
    head = model.head.to(dtype).T
    losses = torch.empty(len(window.targets), device=device)
    for place, (inputs, targets) in zip(losses.view(window.batches, -1), window, strict=True):
        with autocast(precision, device):
            hidden = model.hidden(inputs.to(device)).flatten(0, 1)
        _cross_entropy(hidden.to(dtype), head, targets.to(device).flatten(), place)
    return losses.cpu()


def _cross_entropy(hidden: Tensor, head: Tensor, targets: Tensor, out: Tensor) -> None:
    """-log softmax(hidden @ head)[target] of each row; hidden (n, width), head (width, vocabulary),
    targets and out (n,)."""
    block = min(len(hidden), BLOCK_ROWS[hidden.device.type])
    logits = hidden.new_empty(block, head.shape[1])
    for begin in range(0, len(hidden), block):
        part = slice(begin, begin + block)
        rows = hidden[part]
        scores = torch.mm(rows, head, out=logits[: len(rows)]).float()
        # Shifted by the row's largest, so that the exponential cannot overflow.
        scores.sub_(scores.amax(dim=1, keepdim=True))
        of_target = scores.gather(1, targets[part, None])
        torch.sub(scores.exp_().sum(dim=1, keepdim=True).log(), of_target, out=out[part, None])
