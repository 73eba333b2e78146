"""What an optimiser remembers is all that its next steps depend on, for every optimiser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from noiseband.study.optimizer import Muon as Options
from noiseband.train.optimizers.adamw import AdamW
from noiseband.train.optimizers.cautious import Cautious
from noiseband.train.optimizers.muon import Muon
from noiseband.train.optimizers.sgd import Sgd

from .test_muon import matrices, set_gradients

OPTIMIZERS: dict[str, Callable[[list[Tensor]], AdamW | Muon | Sgd | Cautious]] = {
    "adamw": lambda tensors: AdamW(tensors, weight_decay=0.1, fused=False),
    "fused": lambda tensors: AdamW(tensors, weight_decay=0.1, fused=True),
    "muon": lambda tensors: Muon(tensors, Options(), weight_decay=0.1),
    "sgd": lambda tensors: Sgd(tensors, momentum=0.9, weight_decay=0.1),
    "cautious": lambda tensors: Cautious(
        Sgd(tensors, momentum=0.9, weight_decay=0.0), weight_decay=0.1
    ),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_restored_optimiser_continues_with_the_same_bits(kind: str) -> None:
    whole = matrices()
    one = OPTIMIZERS[kind](whole)
    for step in range(4):
        if step == 2:
            resumed = [tensor.clone() for tensor in whole]
            other = OPTIMIZERS[kind](resumed)
            other.begin(float(one.updates[0]))
            for name, memory in one.memory.items():
                other.memory[name].copy_(memory)
        set_gradients(whole, step)
        one.step(0.1)
    for step in (2, 3):
        set_gradients(resumed, step)
        other.step(0.1)
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    assert one.updates[0] == other.updates[0] == 4
