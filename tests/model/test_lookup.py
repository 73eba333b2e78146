"""A lookup whose gradient is one kernel: the rows and sums of PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from noiseband.model.lookup import lookup, lookup_gradient

Lookup = Callable[[Tensor, Tensor], Tensor]


def rows_and_gradient(by: Lookup, index: Tensor) -> tuple[Tensor, Tensor]:
    weight = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    rows = by(index, weight)
    factors = torch.arange(rows.numel(), dtype=torch.float32).view_as(rows)
    torch.autograd.backward((rows * factors).sum())
    assert weight.grad is not None
    return rows.detach(), weight.grad


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("index", [torch.tensor([[0, 8, 3], [3, 3, 0]]), torch.arange(9)])
def test_it_equals_pytorchs(index: Tensor, compiled: bool) -> None:
    by: Lookup = lookup
    if compiled:
        torch.compiler.reset()
        by = torch.compile(lookup, backend="aot_eager", fullgraph=True, dynamic=False)
    for found, wanted in zip(
        rows_and_gradient(by, index), rows_and_gradient(F.embedding, index), strict=True
    ):
        assert torch.equal(found, wanted)


def test_the_compiler_keeps_it_whole() -> None:
    index, weight = torch.tensor([[1, 1]]), torch.zeros(3, 2, requires_grad=True)
    seen: list[str] = []

    def keep(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        seen.extend(str(node.target) for node in graph.graph.nodes)
        wrapped: Callable[..., object] = make_boxed_func(graph.forward)
        return wrapped

    from functorch.compile import make_boxed_func  # type: ignore[import-untyped]
    from torch._dynamo.backends.common import aot_autograd

    torch.compiler.reset()
    backend = aot_autograd(fw_compiler=keep, bw_compiler=keep)
    by = torch.compile(lookup, backend=backend, fullgraph=True, dynamic=False)
    torch.autograd.backward(by(index, weight).sum())
    assert "noiseband.lookup_gradient.default" in seen
    assert not any("index_put" in name for name in seen)


def test_the_gradient_has_a_row_for_each_entry() -> None:
    found = lookup_gradient(torch.ones(2, 3, 4), torch.full((2, 3), 5), 7)
    assert found.shape == (7, 4)
    assert found[5].tolist() == [6.0] * 4
    assert not found[:5].any()
