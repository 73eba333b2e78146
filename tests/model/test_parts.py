"""Test norms and feed-forward parts against plain formulas, and all that a model does with them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from noiseband.errors import UserError
from noiseband.hub.export import write_export
from noiseband.model.generate import generate
from noiseband.model.gpt import GPT, empty_model
from noiseband.model.init import initial_weights
from noiseband.repro.order import in_forward_order
from noiseband.study.recipe import Model
from tests.model.uncached import uncached

SHAPE: dict[str, Any] = {
    "vocabulary": 61, "context": 12, "width": 16, "heads": 2, "layers": 2, "dropout": 0.0,
}  # fmt: skip
PARTS: list[dict[str, Any]] = [
    {"norm": {"kind": "rms"}},
    {"norm": {"eps": 0.5}},
    {"feed_forward": {"kind": "gelu"}},
    {"feed_forward": {"kind": "relu2", "hidden": 20}},
    {"feed_forward": {"kind": "swiglu", "multiple": 2.5, "bias": False}},
    {"feed_forward": {"kind": "geglu"}, "norm": {"kind": "rms", "eps": 1e-6}},
]
each = pytest.mark.parametrize("parts", PARTS, ids=str)


def build(config: Model, attention: Any = "explicit") -> GPT:
    model = empty_model(config, attention)
    model.load_state_dict(initial_weights(config, "keyed", 1), assign=True)
    return model.eval()


def plain(w: dict[str, Tensor], config: Model, tokens: Tensor) -> Tensor:
    """The logits in the weights' type, one formula at a time."""

    def norm(x: Tensor, name: str) -> Tensor:
        if config.norm.kind == "rms":
            return w[f"{name}.scale"] * x / (x.square().mean(-1, True) + config.norm.eps).sqrt()
        x = x - x.mean(-1, True)
        x = x / (x.square().mean(-1, True) + config.norm.eps).sqrt()
        return w[f"{name}.scale"] * x + w[f"{name}.shift"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", torch.zeros((), dtype=x.dtype))

    def gelu(x: Tensor) -> Tensor:
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    def feed_forward(x: Tensor, name: str) -> Tensor:
        up, kind = linear(x, f"{name}.layers.0"), config.feed_forward.kind
        if kind == "swiglu":
            gate = linear(x, f"{name}.gate")
            up = up * gate / (1 + torch.exp(-gate))
        elif kind == "geglu":
            up = up * gelu(linear(x, f"{name}.gate"))
        elif kind == "relu2":
            up = torch.where(up > 0, up * up, 0.0)
        elif kind == "gelu":
            up = gelu(up)
        else:
            up = 0.5 * up * (1 + torch.tanh(math.sqrt(2 / math.pi) * (up + 0.044715 * up**3)))
        return linear(up, f"{name}.layers.2")

    size, time = config.width // config.heads, tokens.shape[1]
    x = w["tok_emb.weight"][tokens] + w["pos_emb.weight"][:time]
    for layer in range(config.layers):
        name = f"trf_blocks.{layer}"
        h, heads = norm(x, f"{name}.norm1"), []
        q, k, v = (linear(h, f"{name}.att.W_{part}") for part in ("query", "key", "value"))
        for head in range(config.heads):
            cut = slice(head * size, (head + 1) * size)
            scores = q[..., cut] @ k[..., cut].transpose(1, 2) / math.sqrt(size)
            scores = scores + torch.full((time, time), -math.inf).triu(1)
            heads.append(torch.softmax(scores, -1) @ v[..., cut])
        x = x + linear(torch.cat(heads, -1), f"{name}.att.out_proj")
        x = x + feed_forward(norm(x, f"{name}.norm2"), f"{name}.ff")
    return norm(x, "final_norm") @ w["out_head.weight"].T


def small(**parts: Any) -> Model:
    """A small model with these parts."""
    return Model.model_validate({**SHAPE, **parts})


@each
def test_logits_and_gradients_are_those_of_the_formulas_in_float64(parts: dict[str, Any]) -> None:
    config = small(**parts)
    model = build(config).double()
    weights = initial_weights(config, "keyed", 1)
    exact = {name: value.double().requires_grad_() for name, value in weights.items()}
    tokens = torch.arange(24).view(2, 12)
    expected, found = plain(exact, config, tokens), model(tokens)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for one in (expected, found):
        torch.autograd.backward(one.log_softmax(-1)[..., 3].sum())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, exact[name].grad, rtol=1e-8, atol=1e-9, msg=name)
    fused = build(config, "sdpa").double()(tokens)
    torch.testing.assert_close(fused, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.bits
@each
def test_generation_is_the_full_pass_and_rows_do_not_touch(parts: dict[str, Any]) -> None:
    model = build(small(**parts))
    prompts = [[1, 2, 3], [5, 9], [7, 8, 11, 2], [4]]
    together = generate(model, prompts, 14, rows=8)
    assert together == [uncached(model, prompt, 14) for prompt in prompts]
    assert together == [generate(model, [prompt], 14, rows=8)[0] for prompt in prompts]


def test_the_name_of_initial_weights_has_what_they_depend_on_and_no_more() -> None:
    old = small()
    assert old.architecture == "v61-c12-w16-h2-l2"
    same: list[dict[str, Any]] = [{"feed_forward": {"kind": "relu2"}}, {"norm": {"eps": 0.1}},
            {"feed_forward": {"hidden": 64}}]  # fmt: skip
    for parts in same:
        assert small(**parts).architecture == old.architecture
        assert small(**parts).initial == old.initial
    gated = [small(feed_forward={"kind": kind}) for kind in ("swiglu", "geglu")]
    assert gated[0].initial == gated[1].initial
    assert gated[0].architecture == gated[1].architecture == "v61-c12-w16-h2-l2-gated"
    everything = {"kind": "swiglu", "hidden": 40, "bias": False}
    last = small(norm={"kind": "rms"}, feed_forward=everything)
    assert last.architecture == "v61-c12-w16-h2-l2-rms-gated-f40-nobias"
    assert (
        initial_weights(last, "keyed", 1).keys() == initial_weights(last.initial, "keyed", 1).keys()
    )


def test_a_gate_is_in_forward_order() -> None:
    names = ["ff.layers.2.weight", "ff.layers.0.weight", "ff.gate.weight", "norm2.scale"]
    assert in_forward_order(names) == names[::-1]


def test_a_hidden_width_is_a_whole_number() -> None:
    with pytest.raises(ValueError, match=r"multiple=2\.7 x width=16 .* write .*hidden: 43"):
        small(feed_forward={"multiple": 2.7})


@each
def test_what_no_gpt2_computes_is_not_exported(parts: dict[str, Any], tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(UserError, match=r"^model\.(norm|feed_forward)\.\w+: .* cannot be exported"):
        write_export(missing, small(**parts), missing, tmp_path / "out")
    assert not (tmp_path / "out").exists()
