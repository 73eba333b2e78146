"""Products of 16-bit matrices on a CPU that has no instructions for them.

PyTorch then multiplies 16-bit numbers one by one, which takes up to a hundred times as long as
float32. Here the operands are rounded to 16 bits, multiplied and summed in float32, and the product
is rounded to 16 bits. A float32 holds the product of two 16-bit numbers exactly, and 16-bit
instructions sum in float32 as well, so only the order of the sum differs, and with it at most the
last bit of the rounded product. The gradient has the same roundings: autograd rounds it wherever
the forward pass changes the type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

INSTRUCTIONS: Mapping[torch.dtype, tuple[str, ...]] = {
    torch.bfloat16: ("avx512_bf16", "amx_bf16", "bf16"),  # the last one is ARM's
    torch.float16: ("avx512_fp16", "amx_fp16", "fp16_arith"),
}
"""The capabilities, by PyTorch's names, any of which multiplies a 16-bit type."""

PRODUCTS: frozenset[Callable[..., Any]] = frozenset(
    {
        F.linear,
        F.scaled_dot_product_attention,
        *(getattr(torch, name) for name in ("addmm", "baddbmm", "bmm", "matmul", "mm")),
        *(getattr(Tensor, name) for name in ("addmm", "baddbmm", "bmm", "matmul", "mm")),
        Tensor.__matmul__,
    }
)
"""The functions that `torch.autocast` runs in 16 bits and that models here consist of."""


class RoundedProducts(TorchFunctionMode):
    """Takes the place of `torch.autocast("cpu", dtype)`.

    Within the context, a function in PRODUCTS returns a tensor of the 16-bit type, whatever the
    types of its operands. All other functions are left alone. The fused attention rounds its
    operands and its result, and not the weights of the values in between.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        # Like autocast, leave alone a product that is written to a given tensor.
        if func not in PRODUCTS or kwargs.get("out") is not None:
            return func(*args, **kwargs)
        operands = [self._operand(value) for value in args]
        options = {name: self._operand(value) for name, value in kwargs.items()}
        return func(*operands, **options).to(self.dtype)

    def _operand(self, value: Any) -> Any:
        if isinstance(value, Tensor) and value.is_floating_point():
            return rounded(value, self.dtype)
        return value


def rounded(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` rounded to `dtype`, as float32; `x` itself if that changes nothing."""
    return x.to(dtype).float()


@cache
def has_products(dtype: torch.dtype) -> bool:
    """Whether the CPU has instructions for products of a type, and PyTorch uses them.

    PyTorch leaves such products to oneDNN, which obeys ONEDNN_MAX_CPU_ISA.
    """
    if dtype not in INSTRUCTIONS:
        return True
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    known = torch.cpu.get_capabilities()
    of_onednn = torch.ops.mkldnn
    ask = {
        torch.bfloat16: of_onednn._is_mkldnn_bf16_supported,
        torch.float16: of_onednn._is_mkldnn_fp16_supported,
    }
    return any(known.get(name) for name in INSTRUCTIONS[dtype]) and bool(ask[dtype]())


def type_of_operands(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """The type in which a device multiplies matrices of `dtype`: float32 if it is a CPU without
    instructions for the 16-bit type, or else the type itself."""
    if device.type == "cpu" and not has_products(dtype):
        return torch.float32
    return dtype
