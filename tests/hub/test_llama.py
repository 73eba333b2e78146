"""Models of the Llama family compute what `transformers`' own classes compute, and convert both
ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from noiseband.errors import UserError
from noiseband.hub.classes import check_config, config_of, from_hub, shape_of, to_hub
from noiseband.model.gpt import GPT, empty_model, parameter_shapes
from noiseband.study.architecture import Model
from noiseband.study.hub_classes import CLASSES, hub_class

SHAPE: dict[str, Any] = {
    "vocabulary": 257, "context": 24, "width": 32, "heads": 4, "layers": 4, "dropout": 0.0,
    "norm": {"kind": "rms", "eps": 1e-5}, "positions": {"kind": "rotary", "base": 5000.0},
}  # fmt: skip
SWIGLU = {"kind": "swiglu", "hidden": 88, "bias": False}
GROUPED = {"kv_heads": 2, "bias": False}

MODELS: dict[str, dict[str, Any]] = {
    "llama": {"attention": GROUPED, "feed_forward": SWIGLU},
    "llama with biases": {"qkv_bias": True, "feed_forward": {"kind": "geglu"}, "tied": True},
    "mistral": {"attention": GROUPED | {"window": 7}, "feed_forward": SWIGLU},
    "qwen2": {
        "qkv_bias": True, "feed_forward": SWIGLU,
        "attention": GROUPED | {"window": 5, "full_every": 2},
    },
    "qwen3": {
        "attention": GROUPED | {"qk_norm": True, "head_width": 16}, "feed_forward": SWIGLU,
        "tied": True,
    },
    "qwen3 with windows": {
        "attention": GROUPED | {"qk_norm": True, "window": 6, "full_every": 4},
        "feed_forward": SWIGLU,
    },
}  # fmt: skip
each = pytest.mark.parametrize("name", MODELS)


def shape(name: str) -> Model:
    return Model.model_validate({**SHAPE, **MODELS[name]})


def theirs(config: dict[str, Any], seed: int = 1) -> Any:
    """A model of their class in which no tensor is all zeros or all ones."""
    torch.manual_seed(seed)
    kind, attention = config["architectures"][0], "eager"
    options = getattr(transformers, kind.replace("ForCausalLM", "Config"))(**config)
    made = getattr(transformers, kind)._from_config(options, attn_implementation=attention).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return made


def ours(weights: dict[str, Tensor], model: Model) -> GPT:
    made = empty_model(model)
    made.load_state_dict(weights, assign=True)
    return made.eval()


@each
def test_the_class_is_the_one_that_the_name_says(name: str) -> None:
    assert hub_class(shape(name)) == name.split()[0]


@each
def test_logits_and_gradients_are_theirs_and_tensors_come_back(name: str) -> None:
    model = shape(name)
    other = theirs(config_of(model))
    tensors = dict(other.named_parameters())
    weights = from_hub(tensors, model, "x")
    assert {key: tuple(value.shape) for key, value in weights.items()} == parameter_shapes(model)
    back = to_hub(weights, model)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[key], value) for key, value in tensors.items())

    mine = ours(weights, model)
    tokens = torch.randint(model.vocabulary, (3, model.context))
    wanted, found = other(tokens).logits, mine(tokens)
    torch.testing.assert_close(
        found, wanted, rtol=0, atol=1e-5 * float(wanted.detach().abs().max())
    )
    for one in (wanted, found):
        one.log_softmax(-1)[..., 3].mean().backward()
    gradients = {
        key: value.grad for key, value in mine.named_parameters() if value.grad is not None
    }
    for key, gradient in to_hub(gradients, model).items():
        expected = tensors[key].grad
        atol = 2e-5 * float(expected.abs().max())
        torch.testing.assert_close(gradient, expected, rtol=0, atol=atol, msg=key)


@each
def test_a_config_comes_back(name: str, tmp_path: Path) -> None:
    model = shape(name)
    made = theirs(config_of(model))
    made.save_pretrained(tmp_path)
    saved = transformers.AutoConfig.from_pretrained(tmp_path)
    assert saved.architectures == [CLASSES[name.split()[0]]]  # type: ignore[index]
    config = saved.to_dict()
    read = shape_of(config, "x")
    check_config(config, model, "x")
    assert read.windows == model.windows
    assert (read.qkv_bias, read.attention.bias) == (model.qkv_bias, model.attention.bias)
    assert (read.kv_heads, read.head_width, read.hidden) == (
        model.kv_heads, model.head_width, model.hidden,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_key_value_heads": 4}, r"the study has model\.attention\.kv_heads: 2; write 4"),
        ({"rope_parameters": {"rope_type": "yarn"}}, r"not the config of a llama \(.*rope_type"),
        ({"hidden_act": "relu"}, r"hidden_act is 'relu'"),
        ({"model_type": "bloom"}, r"model_type is 'bloom'; noiseband reads gpt2, llama, mistral"),
        ({"rms_norm_eps": 1e-3}, r"model\.norm\.eps: 1e-05; write 0\.001"),
    ],
)
def test_another_config_is_told(changes: dict[str, Any], said: str) -> None:
    model = shape("llama")
    with pytest.raises(UserError, match=rf"^x: .*{said}"):
        check_config({**config_of(model), **changes}, model, "x")


def test_what_the_model_lacks_must_change_nothing_there() -> None:
    model = shape("llama with biases")
    plain = model.model_copy(update={"qkv_bias": False})
    tensors = dict(theirs(config_of(model)).named_parameters())
    with pytest.raises(UserError, match=r"q_proj\.bias is not zero; set qkv_bias: true"):
        from_hub(tensors, plain, "x")
    for name in tensors:
        if name.endswith(("q_proj.bias", "k_proj.bias", "v_proj.bias")):
            tensors[name] = torch.zeros_like(tensors[name])
    weights = from_hub(tensors, plain, "x")
    tokens = torch.randint(model.vocabulary, (2, 9))
    whole = from_hub(tensors, model, "x")
    torch.testing.assert_close(ours(weights, plain)(tokens), ours(whole, model)(tokens))
