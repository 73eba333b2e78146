"""Dropout whose masks cost little on a CPU.

PyTorch draws a mask there element by element, which takes a tenth of a small model's step. Here
one 64-bit draw serves four elements. Elsewhere, and where a compiler fuses it, PyTorch's own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Zero elements at random and scale the others, so that the expectation stays.

    Draws come from PyTorch's default generator for the device.
    """
    if not training or probability == 0.0:
        return x
    return x * dropout_mask(x, probability) if by_hand(x) else F.dropout(x, probability)


def by_hand(x: Tensor) -> bool:
    """Whether operations on `x` are small ones of a CPU, run one by one."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def dropout_mask(x: Tensor, probability: float) -> Tensor:
    """0 or 1 / (1 - probability) for each element of a tensor on the CPU, of its shape and dtype.

    The probability is rounded to a multiple of 2**-16. The bits do not depend on the number of
    threads: one of them draws.
    """
    dropped = min(round(probability * 2**16), 2**16 - 1)
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = draws.view(torch.int16)[: x.numel()].view(x.shape)
    mask = torch.empty(x.shape, dtype=x.dtype)
    torch.ge(bits, dropped - 2**15, out=mask)
    return mask.mul_(2**16 / (2**16 - dropped))
