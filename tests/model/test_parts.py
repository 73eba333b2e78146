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
from noiseband.io.digests import digests
from noiseband.model.generate import generate
from noiseband.model.gpt import GPT, empty_model
from noiseband.model.init import initial_weights
from noiseband.repro.order import in_forward_order
from noiseband.study.architecture import Model
from tests.model.uncached import uncached

SHAPE: dict[str, Any] = {
    "vocabulary": 61, "context": 12, "width": 16, "heads": 2, "layers": 2, "dropout": 0.0,
}  # fmt: skip
ROTARY = {"kind": "rotary", "base": 100.0}
PARTS: list[dict[str, Any]] = [
    {"norm": {"kind": "rms"}},
    {"norm": {"eps": 0.5}},
    {"norm": {"bias": False, "embedding": True}},
    {"norm": {"kind": "rms", "weight": False, "place": "post"}},
    {"positions": {"kind": "none"}},
    {"positions": ROTARY},
    {"positions": {"kind": "rotary", "share": 0.5}, "attention": {"bias": False}},
    {"attention": {"kv_heads": 1}},
    {"heads": 4, "attention": {"kv_heads": 2, "head_width": 8, "qk_norm": True}, "qkv_bias": True},
    {"attention": {"window": 3}},
    {"layers": 3, "attention": {"window": 4, "full_every": 2}, "positions": ROTARY},
    {"attention": {"documents": True, "window": 4}},
    {"attention": {"documents": True, "end_of_text": 3}},
    {"logit_softcap": 1.5, "embedding_scale": 4.0, "tied": True},
    {"feed_forward": {"kind": "gelu"}},
    {"feed_forward": {"kind": "relu2", "hidden": 20}},
    {"feed_forward": {"kind": "swiglu", "multiple": 2.5, "bias": False}},
    {"feed_forward": {"kind": "geglu"}, "norm": {"kind": "rms", "eps": 1e-6}},
    {"norm": {"kind": "rms", "weight": False, "embedding": True}, "positions": ROTARY, "heads": 4,
     "attention": {"qk_norm": True, "kv_heads": 2, "bias": False, "window": 5, "full_every": 2},
     "feed_forward": {"kind": "relu2", "bias": False}, "logit_softcap": 15.0,
     "initial_weights": {"kind": "gpt2", "zero_residual": True}},
]  # fmt: skip
SOFTCAP: dict[str, Any] = {"attention": {"softcap": 0.5}}
"""What the fused kernel of attention cannot compute."""
each = pytest.mark.parametrize("parts", PARTS, ids=str)


def build(config: Model, attention: Any = "explicit") -> GPT:
    model = empty_model(config, attention)
    model.load_state_dict(weights_of(config), assign=True)
    return model.eval()


def weights_of(config: Model) -> dict[str, Tensor]:
    """Weights none of which is a constant, so that every part counts."""
    weights = initial_weights(config, "keyed", 1)
    noise = torch.Generator().manual_seed(1)
    return {n: w + 0.2 * torch.randn(w.shape, generator=noise) for n, w in weights.items()}


def tokens_of(config: Model) -> Tensor:
    """Two rows, the first of which has two ends of a document."""
    tokens = torch.arange(24).view(2, 12).clone()
    tokens[0, 4] = tokens[0, 7] = config.vocabulary - 1
    return tokens


def plain(w: dict[str, Tensor], config: Model, tokens: Tensor) -> Tensor:
    """The logits in the weights' type, one formula at a time."""
    part, place = config.attention, config.norm.place
    time = tokens.shape[1]

    def norm(x: Tensor, name: str) -> Tensor:
        if config.norm.kind == "layer":
            x = x - x.mean(-1, True)
        x = x / (x.square().mean(-1, True) + config.norm.eps).sqrt()
        return x * w.get(f"{name}.scale", 1.0) + w.get(f"{name}.shift", 0.0)

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

    def rotated(x: Tensor) -> Tensor:
        """(batch, time, head width), each pair as a complex number times a power of e."""
        half = config.rotated // 2
        angles = torch.tensor(
            [[t / config.positions.base ** (i / half) for i in range(half)] for t in range(time)],
            dtype=torch.float64,
        )
        pairs = torch.complex(x[..., :half], x[..., half : 2 * half])
        pairs = pairs * torch.polar(torch.ones_like(angles), angles)
        return torch.cat([pairs.real, pairs.imag, x[..., 2 * half :]], -1)

    def attention(h: Tensor, name: str, window: int | None) -> Tensor:
        size, heads = config.head_width, []
        q, k, v = (linear(h, f"{name}.W_{which}") for which in ("query", "key", "value"))
        ends = tokens == (config.vocabulary - 1 if part.end_of_text is None else part.end_of_text)
        for head in range(config.heads):
            shared = head // (config.heads // config.kv_heads)
            query = q[..., head * size : (head + 1) * size]
            key, value = (x[..., shared * size : (shared + 1) * size] for x in (k, v))
            if part.qk_norm:
                query, key = norm(query, f"{name}.q_norm"), norm(key, f"{name}.k_norm")
            if config.positions.kind == "rotary":
                query, key = rotated(query), rotated(key)
            scores = query @ key.transpose(1, 2) / math.sqrt(size)
            if part.softcap:
                scores = part.softcap * torch.tanh(scores / part.softcap)
            for row in range(len(tokens)):
                for i in range(time):
                    for j in range(time):
                        hidden = j > i or (window is not None and i - j >= window)
                        if hidden or (part.documents and bool(ends[row, j:i].any())):
                            scores[row, i, j] = -math.inf
            heads.append(torch.softmax(scores, -1) @ value)
        return linear(torch.cat(heads, -1), f"{name}.out_proj")

    x = w["tok_emb.weight"][tokens] * config.embedding_scale
    if config.positions.kind == "learned":
        x = x + w["pos_emb.weight"][:time]
    if config.norm.embedding:
        x = norm(x, "emb_norm")
    for layer in range(config.layers):
        name = f"trf_blocks.{layer}"
        full = part.full_every is not None and (layer + 1) % part.full_every == 0
        window = None if full else part.window
        if place == "pre":
            x = x + attention(norm(x, f"{name}.norm1"), f"{name}.att", window)
            x = x + feed_forward(norm(x, f"{name}.norm2"), f"{name}.ff")
        else:
            x = norm(x + attention(x, f"{name}.att", window), f"{name}.norm1")
            x = norm(x + feed_forward(x, f"{name}.ff"), f"{name}.norm2")
    if place == "pre":
        x = norm(x, "final_norm")
    logits = x @ w["tok_emb.weight" if config.tied else "out_head.weight"].T
    cap = config.logit_softcap
    return logits if cap is None else cap * torch.tanh(logits / cap)


def small(**parts: Any) -> Model:
    """A small model with these parts."""
    return Model.model_validate({**SHAPE, **parts})


@pytest.mark.parametrize("parts", [*PARTS, SOFTCAP], ids=str)
def test_logits_and_gradients_are_those_of_the_formulas_in_float64(parts: dict[str, Any]) -> None:
    config = small(**parts)
    model = build(config).double()
    exact = {name: w.double().requires_grad_() for name, w in weights_of(config).items()}
    tokens = tokens_of(config)
    expected, found = plain(exact, config, tokens), model(tokens)
    close(found, expected, 1e-9)
    for one in (expected, found):
        torch.autograd.backward(one.log_softmax(-1)[..., 3].sum())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert exact[name].grad is not None
        close(parameter.grad, exact[name].grad, 1e-6)
    if parts is not SOFTCAP:
        close(build(config, "sdpa").double()(tokens), expected, 1e-9)


@pytest.mark.parametrize("parts", [*PARTS, SOFTCAP], ids=str)
def test_float32_and_its_gradients_by_hand_are_close(parts: dict[str, Any]) -> None:
    config = small(**parts)
    exact, model, tokens = build(config).double(), build(config), tokens_of(config)
    for one in (exact, model):
        torch.autograd.backward(one(tokens).log_softmax(-1)[..., 3].sum())
    close(model(tokens), exact(tokens), 1e-5)
    for (name, found), wanted in zip(model.named_parameters(), exact.parameters(), strict=True):
        assert found.grad is not None, name
        assert wanted.grad is not None
        close(found.grad, wanted.grad, 1e-4)


def close(found: Tensor, expected: Tensor | None, share: float) -> None:
    """They differ by at most a share of the largest expected number, which counts as 1 where it is
    less: the gradient of a key's bias is zero."""
    assert expected is not None
    largest = max(float(expected.detach().abs().max()), 1.0)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=share * largest)


@pytest.mark.bits
@pytest.mark.parametrize("attention", ["explicit", "sdpa"])
@pytest.mark.parametrize("parts", [*PARTS, SOFTCAP], ids=str)
def test_generation_is_the_full_pass_and_rows_do_not_touch(
    parts: dict[str, Any], attention: str
) -> None:
    if parts is SOFTCAP and attention == "sdpa":
        pytest.skip("the fused kernel has no softcap")
    config = small(**parts)
    model, end = build(config, attention), config.vocabulary - 1
    prompts = [[1, 2, 3], [5, 9, end, 4, 8], [7, 8, end, 2], [4]]
    together = generate(model, prompts, 14, rows=8)
    assert together == [uncached(model, prompt, 14) for prompt in prompts]
    assert together == [generate(model, [prompt], 14, rows=8)[0] for prompt in prompts]


def test_the_name_of_initial_weights_has_what_they_depend_on_and_no_more() -> None:
    old = small()
    assert old.architecture == "v61-c12-w16-h2-l2"
    same: list[dict[str, Any]] = [
        {"feed_forward": {"kind": "relu2"}}, {"norm": {"eps": 0.1}},
        {"feed_forward": {"hidden": 64}}, {"attention": {"kv_heads": 2, "head_width": 8}},
        {"attention": {"window": 3, "softcap": 2.0, "documents": True}}, {"logit_softcap": 2.0},
        {"embedding_scale": 2.0}, {"initial_weights": {"std": 0.5}},
    ]  # fmt: skip
    for parts in same:
        assert small(**parts).architecture == old.architecture
        assert small(**parts).initial == old.initial
    rotary = small(positions=ROTARY)
    assert rotary.initial == small(positions={"kind": "none"}).initial
    gated = [small(feed_forward={"kind": kind}) for kind in ("swiglu", "geglu")]
    assert gated[0].initial == gated[1].initial
    different = [old, rotary, gated[0]]
    assert len({model.architecture for model in different}) == 3
    assert all(model.architecture.startswith("v61-c12-w16-h2-l2") for model in different)


@each
def test_the_same_name_means_the_same_initial_weights(parts: dict[str, Any]) -> None:
    config = small(**parts)
    wanted, found = (initial_weights(one, "keyed", 1) for one in (config, config.initial))
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_different_initial_weights_have_different_names() -> None:
    seen: dict[str, str] = {}
    for parts in PARTS:
        config = small(**parts)
        weights = initial_weights(config, "keyed", 1)
        digest = digests(weights)["sha256"]
        assert seen.setdefault(config.architecture, digest) == digest, parts


def test_a_gate_is_in_forward_order() -> None:
    names = ["ff.layers.2.weight", "ff.layers.0.weight", "ff.gate.weight", "norm2.scale"]
    assert in_forward_order(names) == names[::-1]


def test_a_hidden_width_is_a_whole_number() -> None:
    with pytest.raises(ValueError, match=r"multiple=2\.7 x width=16 .* write .*hidden: 43"):
        small(feed_forward={"multiple": 2.7})


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"norm": {"place": "post"}}, r"norm\.place: post"),
        ({"logit_softcap": 2.0}, r"logit_softcap: 2\.0"),
        ({"norm": {"kind": "rms"}}, r"norm\.kind: rms"),
        ({"attention": {"documents": True}}, r"attention\.documents: true"),
        ({"positions": ROTARY}, r"positions\.kind: rotary"),
    ],
)
def test_what_no_class_computes_is_not_exported(
    parts: dict[str, Any], said: str, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(UserError, match=rf"^model\.{said}: no class .* cannot be exported"):
        write_export(missing, small(**parts), missing, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"attention": {"kv_heads": 3}}, r"kv_heads=3 does not divide heads=2; nearest .*: 1, 2"),
        ({"attention": {"full_every": 2}}, r"full_every=2 without a window"),
        ({"positions": {"kind": "rotary", "share": 0.3}}, r"share=0\.3 .* write .*share: 0\.25"),
        ({"tied": True, "initial_weights": {"zero_head": True}}, r"zero_head with tied: true"),
        ({"heads": 3}, r"heads=3 does not divide width=16"),
    ],
)
def test_parts_that_do_not_fit_are_told(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small(**parts)
