"""Cautious weight decay against its definition, for every optimiser."""

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

OPTIMIZERS: dict[str, Callable[[list[Tensor]], AdamW | Muon | Sgd]] = {
    "adamw": lambda tensors: AdamW(tensors, weight_decay=0.0, fused=True),
    "muon": lambda tensors: Muon(tensors, Options(), weight_decay=0.0),
    "sgd": lambda tensors: Sgd(tensors, momentum=0.9, weight_decay=0.0),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_weights_decay_where_the_step_also_goes_towards_zero(kind: str) -> None:
    rate, decay = 0.1, 0.5
    ours, plain = matrices(), matrices()
    own = Cautious(OPTIMIZERS[kind](ours), weight_decay=decay)
    without = OPTIMIZERS[kind](plain)
    set_gradients(ours, 0)
    set_gradients(plain, 0)
    own.step(rate)
    without.step(rate)
    for weight, moved, start in zip(ours, plain, matrices(), strict=True):
        agrees = torch.sign(start - moved) == torch.sign(start)
        assert 0.2 < agrees.float().mean() < 0.8
        assert torch.equal(weight[~agrees], moved[~agrees])
        expected = moved.double() - rate * decay * start.double()
        torch.testing.assert_close(weight[agrees].double(), expected[agrees], rtol=0, atol=1e-6)
