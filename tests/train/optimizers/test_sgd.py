"""SGD has the bits of PyTorch's class, in parts and in one piece."""

from __future__ import annotations

import pytest
import torch

from noiseband.train.optimizers.sgd import Sgd

from .test_adamw import parameters, set_gradients


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.9, 0.1), (0.0, 0.0)])
def test_the_bits_are_those_of_pytorchs_class(momentum: float, weight_decay: float) -> None:
    ours, theirs = parameters(), parameters()
    own = Sgd(ours, momentum=momentum, weight_decay=weight_decay)
    reference = torch.optim.SGD(
        theirs, lr=1.0, momentum=momentum, weight_decay=weight_decay, foreach=False
    )
    for step, rate in enumerate((0.1, 0.01, 0.03)):
        set_gradients(ours, step)
        set_gradients(theirs, step)
        reference.param_groups[0]["lr"] = rate
        own.step(rate)
        reference.step()
    assert not torch.equal(ours[0], parameters()[0])
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert own.updates == [3.0]
