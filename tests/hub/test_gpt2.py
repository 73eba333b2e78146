"""Tensor names are converted in both directions, and checked against transformers' own model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.hub import gpt2
from noiseband.hub.classes import check_config, from_hub, to_hub
from noiseband.model.gpt import empty_model, parameter_shapes
from noiseband.study.architecture import Model
from noiseband.study.pretrained import KNOWN_MODELS
from tests.hub.models import SMALL, random_gpt2


def parameters(theirs: Any) -> dict[str, Tensor]:
    """The parameters as a file stores them, without a tied head."""
    return dict(theirs.named_parameters())


def logits_of(weights: dict[str, Tensor], model: Model, tokens: Tensor) -> Tensor:
    ours = empty_model(model)
    ours.load_state_dict(weights, assign=True)
    with torch.no_grad():
        logits: Tensor = ours.eval()(tokens)
    return logits


def changed(**fields: object) -> Model:
    return SMALL.model_copy(update=fields)


@pytest.mark.parametrize("model", [SMALL, changed(tied=False), changed(heads=1)])
def test_the_same_logits_and_the_same_tensors_back(model: Model) -> None:
    theirs = random_gpt2(model)
    weights = from_hub(parameters(theirs), model, "x")
    assert {name: tuple(value.shape) for name, value in weights.items()} == parameter_shapes(model)
    tokens = torch.randint(model.vocabulary, (3, model.context))
    with torch.no_grad():
        wanted = theirs(tokens).logits
    torch.testing.assert_close(logits_of(weights, model, tokens), wanted, atol=1e-5, rtol=0)
    back = to_hub(weights, model)
    assert back.keys() == parameters(theirs).keys()
    assert all(torch.equal(back[name], value) for name, value in parameters(theirs).items())


def test_the_real_shape() -> None:
    model = KNOWN_MODELS["gpt2"]
    theirs = random_gpt2(model)
    tokens = torch.randint(model.vocabulary, (1, 24))
    with torch.no_grad():
        wanted = theirs(tokens).logits
    tensors = parameters(theirs)
    assert sum(tensor.numel() for tensor in tensors.values()) == 124_439_808
    weights = from_hub(tensors, model, "x")
    assert wanted.std() > 1  # so the tolerance is small in comparison
    torch.testing.assert_close(logits_of(weights, model, tokens), wanted, atol=1e-4, rtol=0)


def test_a_model_without_biases_has_zeros_there() -> None:
    model = changed(qkv_bias=False)
    names = parameter_shapes(model)
    weights = {name: torch.randn(shape) for name, shape in names.items()}
    there = to_hub(weights, model)
    theirs = random_gpt2(model)
    assert set(theirs.load_state_dict(there, strict=False).missing_keys) <= {"lm_head.weight"}
    tokens = torch.randint(model.vocabulary, (2, 9))
    with torch.no_grad():
        wanted = theirs(tokens).logits
    torch.testing.assert_close(logits_of(weights, model, tokens), wanted, atol=1e-4, rtol=1e-5)
    back = from_hub(there, model, "x")
    assert all(torch.equal(back[name], value) for name, value in weights.items())
    there["transformer.h.1.attn.c_attn.bias"][3] = 1e-3
    with pytest.raises(UserError, match=r"h\.1\.attn\.c_attn\.bias is not zero; set qkv_bias"):
        from_hub(there, model, "x")


def test_old_files_have_no_prefix_and_hold_the_mask() -> None:
    tensors = parameters(random_gpt2(SMALL))
    old = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    old |= {f"h.{i}.attn.bias": torch.ones(1, 1, 24, 24).tril() for i in range(2)}
    old |= {"h.0.attn.masked_bias": torch.tensor(-1e4), "lm_head.weight": old["wte.weight"]}
    found, wanted = from_hub(old, SMALL, "x"), from_hub(tensors, SMALL, "x")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_half_precision_is_widened() -> None:
    tensors = {n: t.detach().to(torch.float16) for n, t in parameters(random_gpt2(SMALL)).items()}
    found = from_hub(tensors, SMALL, "x")
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    same = from_hub({name: tensor.float() for name, tensor in tensors.items()}, SMALL, "x")
    assert all(torch.equal(found[name], same[name]) for name in same)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"transformer.h.0.ln_1.weight": None}, "transformer.h.0.ln_1.weight is missing"),
        (
            {"transformer.h.0.ln_1.weight": None, "transformer.wpe.weight": None},
            "transformer.h.0.ln_1.weight is missing (and 1 more)",
        ),
        ({"transformer.h.2.ln_1.weight": torch.ones(16)}, "h.2.ln_1.weight is unknown"),
        ({"score.weight": torch.ones(2, 16)}, "transformer.score.weight is unknown"),
        (
            {"transformer.h.1.mlp.c_fc.weight": torch.ones(64, 16)},
            "transformer.h.1.mlp.c_fc.weight is (64, 16) torch.float32, should be (16, 64)",
        ),
        (
            {"transformer.ln_f.bias": torch.ones(16, dtype=torch.int8)},
            "transformer.ln_f.bias is (16,) torch.int8",
        ),
        ({"lm_head.weight": torch.ones(257, 16)}, "lm_head.weight is not tied"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(change: dict[str, Tensor | None], said: str) -> None:
    tensors: dict[str, Tensor | None] = {**parameters(random_gpt2(SMALL)), **change}
    there = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(UserError) as error:
        from_hub(there, SMALL, "some/model: model.safetensors")
    assert str(error.value).startswith("some/model: model.safetensors: not the GPT2LMHeadModel")
    assert said in str(error.value)


def test_a_head_of_its_own_where_the_file_ties_it() -> None:
    with pytest.raises(UserError, match=r"lm_head\.weight is missing"):
        from_hub(parameters(random_gpt2(SMALL)), changed(tied=False), "x")


def test_config_both_ways() -> None:
    theirs = random_gpt2(SMALL).config.to_dict()
    check_config(theirs, SMALL, "x")
    ours = gpt2.config_of(SMALL)
    assert {key: theirs[key] for key in ours} == ours
    # Files on the Hub leave out keys that have their default value.
    short = {k: v for k, v in theirs.items() if k.startswith(("n_", "vocab", "model_type"))}
    check_config(short, SMALL, "x")
    check_config({**theirs, "n_inner": 64}, SMALL, "x")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("n_head", 2, "n_head is 2, not 4: the study has model.heads: 4; write 2"),
        ("tie_word_embeddings", False, "the study has model.tied: true; write false"),
        ("model_type", "llama", 'model_type is "llama", not "gpt2": our model supports no other'),
        ("activation_function", "relu", 'activation_function is "relu"'),
        ("layer_norm_epsilon", 1e-6, "layer_norm_epsilon is 1e-06"),
        ("n_inner", 32, "n_inner is 32"),
        ("scale_attn_by_inverse_layer_idx", True, "scale_attn_by_inverse_layer_idx is true"),
    ],
)
def test_a_config_of_another_model_is_refused(key: str, value: object, said: str) -> None:
    theirs = random_gpt2(SMALL).config.to_dict()
    with pytest.raises(UserError) as error:
        check_config({**theirs, key: value}, SMALL, "some/model: config.json")
    assert str(error.value).startswith("some/model: config.json: ")
    assert said in str(error.value)
