"""Forward order is the order in which the model itself uses its tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from noiseband.model.gpt import GPT
from noiseband.repro.order import in_forward_order
from noiseband.study.architecture import Model

MODEL = Model(vocabulary=30, context=8, width=8, heads=2, layers=12, qkv_bias=True)


class Uses(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the names of parameters in the order in which operations first read them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = {p.data_ptr(): name for name, p in model.named_parameters()}
        self.seen: dict[str, None] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for argument in args:
            if isinstance(argument, torch.Tensor) and argument.data_ptr() in self.names:
                self.seen[self.names[argument.data_ptr()]] = None
        return func(*args, **(kwargs or {}))


def test_it_is_the_order_in_which_a_forward_pass_reads_them() -> None:
    model = GPT(MODEL).eval()
    with torch.no_grad(), Uses(model) as uses:
        model(torch.zeros(1, 4, dtype=torch.int64))
    # Within one operation, weight and bias come in the order of its arguments, so only the order
    # of the layers is compared.
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in uses.seen))
    ours = list(dict.fromkeys(n.rpartition(".")[0] for n in in_forward_order(uses.names.values())))
    assert ours == layers
    assert set(uses.names.values()) == uses.seen.keys()


def test_other_names_are_in_their_natural_order() -> None:
    assert in_forward_order(["b.10", "b.9", "a", "tok_emb.weight"]) == [
        "tok_emb.weight", "a", "b.9", "b.10",
    ]  # fmt: skip
