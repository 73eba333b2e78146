"""The lookup of embeddings for a compiled model on a GPU.

By default the compiler turns the gradient of a lookup into additions at the indices. With
deterministic algorithms, PyTorch performs these one after another for each row. That is slow if
some indices are common, as in every text, and it cannot be part of a CUDA graph. This module keeps
PyTorch's own kernel for embeddings, which sorts the indices and sums each row's entries in a fixed
order.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.library.custom_op("noiseband::lookup_gradient", mutates_args=())
def lookup_gradient(of_rows: Tensor, index: Tensor, entries: int) -> Tensor:
    """The sum of `of_rows` (..., width) by index (...), as (entries, width)."""
    summed: Tensor = torch.ops.aten.embedding_dense_backward(of_rows, index, entries, -1, False)
    return summed


@lookup_gradient.register_fake
def _(of_rows: Tensor, index: Tensor, entries: int) -> Tensor:
    return of_rows.new_empty(entries, of_rows.shape[-1])


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, index: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.entries = weight.shape[0]
        return F.embedding(index, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        (index,) = ctx.saved_tensors
        return None, lookup_gradient(grads[0].contiguous(), index, ctx.entries)


def lookup(index: Tensor, weight: Tensor) -> Tensor:
    """`torch.nn.functional.embedding`, with the gradient of this module."""
    rows: Tensor = _Lookup.apply(index, weight)  # type: ignore[no-untyped-call]
    return rows
