"""Compute the loss of every target of a window, with the model's head applied in blocks of rows.

The logits of a batch are by far the largest tensor of a forward pass, but only one number for each
row is needed. They are therefore computed in blocks of rows: the memory is allocated once, a GPU
never holds all logits, and on a CPU the passes over them stay in the cache.
"""

from __future__ import annotations

import torch
from torch import Tensor

from noiseband.determinism import ARITHMETIC, autocast
from noiseband.evaluate.window import Window
from noiseband.model.gpt import GPT, capped
from noiseband.products import rounded, type_of_operands
from noiseband.study.recipe import Precision

BLOCK_ROWS = {"cpu": 256, "cuda": 4096}
"""Rows of one matrix product: just enough for full speed."""
PASS = {"cpu": 2**18, "cuda": 2**28}
"""Logits that are exponentiated and summed together: as many as a core's cache holds, or on a GPU
a whole block."""


@torch.inference_mode()
def target_losses(model: GPT, window: Window, precision: Precision) -> Tensor:
    """-log p(target) in nats for all targets in order: (n,) float32, on the CPU.

    The log-softmax is computed in float32, at any precision of the matrix products.
    """
    device = model.tok_emb.weight.device
    dtype, context = ARITHMETIC[precision].autocast or torch.float32, autocast(precision, device)
    held = type_of_operands(dtype, device)
    head = model.head.to(dtype).to(held).T
    softcap = model.config.logit_softcap
    rows = min(window.batch * window.context, BLOCK_ROWS[device.type])
    memory = head.new_empty(rows, head.shape[1])
    losses = torch.empty(window.batches * window.batch * window.context, device=device)
    for place, (inputs, targets) in zip(losses.view(window.batches, -1), window, strict=True):
        with context():
            hidden = model.hidden(inputs.to(device)).flatten(0, 1)
        hidden = hidden.to(dtype).to(held)
        _cross_entropy(hidden, head, targets.to(device).flatten(), memory, dtype, softcap, place)
    return losses[: len(window.targets)].cpu()


def _cross_entropy(
    hidden: Tensor,
    head: Tensor,
    targets: Tensor,
    memory: Tensor,
    dtype: torch.dtype,
    softcap: float | None,
    out: Tensor,
) -> None:
    """Write -log softmax(hidden @ head)[target] of each row to `out`.

    The shapes are hidden (n, width), head (width, vocabulary), targets and out (n,). `memory`, of
    shape (rows, vocabulary), holds the logits of one block of rows, which are rounded to `dtype`.
    """
    block, vocabulary = memory.shape
    few = max(PASS[hidden.device.type] // vocabulary, 1)
    for begin in range(0, len(hidden), block):
        part = slice(begin, begin + block)
        rows = hidden[part]
        logits = torch.mm(rows, head, out=memory[: len(rows)])
        pieces = (torch.split(x, few) for x in (logits, targets[part, None], out[part, None]))
        for some, of, to in zip(*pieces, strict=True):
            scores = capped(rounded(some, dtype), softcap)
            # The row's largest score is subtracted, so that the exponential cannot overflow.
            scores.sub_(scores.amax(dim=1, keepdim=True))
            of_target = scores.gather(1, of)
            torch.sub(scores.exp_().sum(dim=1, keepdim=True).log(), of_target, out=to)
