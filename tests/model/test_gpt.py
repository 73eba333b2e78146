"""Test the architecture against a plain reimplementation in float64, and its invariants."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from noiseband.model.gpt import GPT, empty_model
from noiseband.model.init import initial_weights
from noiseband.study.architecture import Model

CONFIG = Model(vocabulary=64, context=12, width=16, heads=4, layers=2, dropout=0.2, qkv_bias=True)


def build(config: Model = CONFIG, attention: str = "explicit") -> GPT:
    model = empty_model(config, attention)  # type: ignore[arg-type]
    model.load_state_dict(initial_weights(config, "keyed", 1), assign=True)
    return model


def reference(weights: dict[str, Tensor], config: Model, tokens: Tensor) -> Tensor:
    """The published architecture in float64, one head and one formula at a time."""
    w = {name: value.double() for name, value in weights.items()}

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        variance = (centred**2).mean(-1, keepdim=True)
        return w[f"{name}.scale"] * centred / (variance + 1e-5).sqrt() + w[f"{name}.shift"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", torch.zeros(1, dtype=torch.double))

    size = config.width // config.heads
    time = tokens.shape[1]
    x = w["tok_emb.weight"][tokens] + w["pos_emb.weight"][:time]
    for layer in range(config.layers):
        name = f"trf_blocks.{layer}"
        h = norm(x, f"{name}.norm1")
        q, k, v = (linear(h, f"{name}.att.W_{part}") for part in ("query", "key", "value"))
        heads = []
        for head in range(config.heads):
            cut = slice(head * size, (head + 1) * size)
            scores = q[..., cut] @ k[..., cut].transpose(1, 2)
            scores = scores + torch.full((time, time), -math.inf).triu(1)
            heads.append(torch.softmax(scores / math.sqrt(size), -1) @ v[..., cut])
        x = x + linear(torch.cat(heads, -1), f"{name}.att.out_proj")
        h = linear(norm(x, f"{name}.norm2"), f"{name}.ff.layers.0")
        gelu = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        x = x + linear(gelu, f"{name}.ff.layers.2")
    head_weight = w["tok_emb.weight"] if config.tied else w["out_head.weight"]
    return norm(x, "final_norm") @ head_weight.T


@pytest.mark.parametrize("attention", ["explicit", "sdpa"])
@pytest.mark.parametrize("tied", [False, True])
def test_logits_equal_a_float64_reimplementation(attention: str, tied: bool) -> None:
    config = CONFIG.model_copy(update={"tied": tied})
    model = build(config, attention).eval()
    tokens = torch.randint(0, 64, (3, 12), generator=torch.Generator().manual_seed(0))
    expected = reference(initial_weights(config, "keyed", 1), config, tokens)
    assert torch.allclose(model(tokens).double(), expected, rtol=1e-4, atol=1e-4)


def test_logits_do_not_see_the_future() -> None:
    model = build().eval()
    tokens = torch.arange(12)[None]
    changed = tokens.clone()
    changed[0, 7:] = 63
    assert torch.equal(model(tokens)[0, :7], model(changed)[0, :7])


def test_dropout_acts_in_training_alone() -> None:
    model = build()
    tokens = torch.arange(12)[None]
    torch.manual_seed(0)
    assert not torch.equal(model.train()(tokens), model(tokens))
    assert torch.equal(model.eval()(tokens), model(tokens))
