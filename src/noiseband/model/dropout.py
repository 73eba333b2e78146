"""Dropout with masks that are cheap to draw on a CPU.

On a CPU, PyTorch draws a mask element by element, which takes a tenth of a small model's step. Here
one 64-bit draw covers four elements. On a GPU or under a compiler, PyTorch's own dropout is used.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Zero elements at random and scale the others, so that the expectation does not change.

    The draws come from PyTorch's default generator for the device.
    """
    if not training or probability == 0.0:
        return x
    return x * dropout_mask(x, probability) if by_hand(x) else F.dropout(x, probability)


def by_hand(x: Tensor) -> bool:
    """Whether operations on `x` run one by one on a CPU, without a compiler."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def dropout_mask(x: Tensor, probability: float) -> Tensor:
    """A mask of 0 or 1 / (1 - probability), with the shape and dtype of `x`, which is on the CPU.

    The probability is rounded to a multiple of 2**-16. The bits do not depend on the number of
    threads, because only one thread draws.
    """
    dropped = min(round(probability * 2**16), 2**16 - 1)
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = draws.view(torch.int16)[: x.numel()].view(x.shape)
    mask = torch.empty(x.shape, dtype=x.dtype)
    torch.ge(bits, dropped - 2**15, out=mask)
    return mask.mul_(2**16 / (2**16 - dropped))
