"""Weights under the reference's names are read in every form in which they are published."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.hub.reference import from_reference, shape_of
from noiseband.io.digests import digest
from noiseband.model.init import initial_weights
from noiseband.study.architecture import Model
from tests.hub.models import SMALL

CASES = [(bias, tied) for bias in (False, True) for tied in (False, True)]


def changed(bias: bool, tied: bool) -> Model:
    return SMALL.model_copy(update={"qkv_bias": bias, "tied": tied})


@pytest.mark.parametrize(("bias", "tied"), CASES)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_the_same_weights_and_their_shape(bias: bool, tied: bool, prefix: str) -> None:
    model = changed(bias, tied)
    weights = initial_weights(model, "keyed", 42)
    file = {f"{prefix}{name}": tensor for name, tensor in weights.items()}
    file |= {f"{prefix}trf_blocks.{i}.att.mask": torch.ones(24, 24).triu(1) for i in range(2)}
    assert shape_of(file, 4, "x") == model
    found = from_reference(file, model, "x")
    assert digest(found) == digest(weights)
    assert all(found[name].data_ptr() != weights[name].data_ptr() for name in weights)


def test_a_tied_head_under_either_name_or_both() -> None:
    model = changed(False, True)
    weights = initial_weights(model, "keyed", 42)
    both = {**weights, "out_head.weight": weights["tok_emb.weight"].clone()}
    head_alone = {name: value for name, value in both.items() if name != "tok_emb.weight"}
    for file in (both, head_alone):
        assert shape_of(file, 4, "x") == model
        assert digest(from_reference(file, model, "x")) == digest(weights)
    both["out_head.weight"][0, 0] += 1
    with pytest.raises(UserError, match=r"x: out_head\.weight is not tied; write `tied: false`"):
        from_reference(both, model, "x")
    assert not shape_of(both, 4, "x").tied


def test_half_precision_is_widened() -> None:
    weights = initial_weights(SMALL, "keyed", 42)
    found = from_reference({n: t.to(torch.float16) for n, t in weights.items()}, SMALL, "x")
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pos_emb.weight": None}, "pos_emb.weight is missing"),
        ({"extra.weight": torch.ones(2)}, "extra.weight is unknown"),
        ({"final_norm.scale": torch.ones(3)}, r"final_norm.scale is (3,) torch.float32, should be"),
        ({"final_norm.shift": torch.ones(16, dtype=torch.int8)}, "torch.int8, should be (16,)"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(change: dict[str, Tensor | None], said: str) -> None:
    file: dict[str, Tensor | None] = {**initial_weights(SMALL, "keyed", 42), **change}
    there = {name: tensor for name, tensor in file.items() if tensor is not None}
    with pytest.raises(UserError) as error:
        from_reference(there, SMALL, "some/model: w.safetensors")
    assert str(error.value).startswith("some/model: w.safetensors: not the model that the study")
    assert said in str(error.value)


def test_other_names_or_heads() -> None:
    with pytest.raises(
        UserError, match=r"neither a model of transformers .* nor weights with the reference"
    ):
        shape_of({"model.layers.0.weight": torch.ones(2, 2)}, 4, "x")
    with pytest.raises(UserError, match="--heads 5: does not divide the width 16"):
        shape_of(initial_weights(SMALL, "keyed", 42), 5, "x")
