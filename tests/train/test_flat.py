"""Test parameters and gradients as views of two flat tensors."""

from __future__ import annotations

import pytest
import torch

from noiseband.model.gpt import empty_model
from noiseband.model.init import initial_weights
from noiseband.study.architecture import Model
from noiseband.train.flat import ALIGNMENT, FlatParameters

CONFIG = Model(vocabulary=61, context=8, width=12, heads=2, layers=1)


def flat() -> FlatParameters:
    return FlatParameters(
        empty_model(CONFIG), initial_weights(CONFIG, "keyed", 1), torch.device("cpu")
    )


def test_the_model_computes_with_the_flat_tensor() -> None:
    parameters = flat()
    values = initial_weights(CONFIG, "keyed", 1)
    for name, view in parameters.views(parameters.weights).items():
        assert torch.equal(view, values[name])
    parameters.weights.zero_()
    assert all(not p.any() for p in parameters.model.parameters())


def test_gradients_arrive_in_the_flat_tensor_and_padding_stays_zero() -> None:
    parameters = flat()
    torch.autograd.backward(parameters.model(torch.arange(8)[None]).square().sum())
    assert all(view.any() for view in parameters.views(parameters.grad).values())
    used = torch.zeros_like(parameters.grad, dtype=torch.bool)
    for where, _ in parameters.slices.values():
        assert where.start % ALIGNMENT == 0
        used[where] = True
    assert not used.all()
    assert not parameters.grad[~used].any()


def test_the_checksum_sees_one_flipped_bit() -> None:
    parameters = flat()
    before = parameters.checksum()
    parameters.weights.view(torch.int32)[100] ^= 1
    assert parameters.checksum() != before


def test_weights_that_do_not_fit_are_named() -> None:
    values = initial_weights(CONFIG, "keyed", 1)
    model = empty_model(CONFIG)
    with pytest.raises(ValueError, match=r"out_head\.weight"):
        less = {k: v for k, v in values.items() if k != "out_head.weight"}
        FlatParameters(model, less, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"tok_emb.weight has shape \(3,\)"):
        FlatParameters(model, {**values, "tok_emb.weight": torch.ones(3)}, torch.device("cpu"))
