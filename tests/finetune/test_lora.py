"""Low-rank adapters agree with the method in float64, and leave no trace in the file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiktoken
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from torch.func import functional_call

from noiseband.errors import UserError
from noiseband.finetune.loop import finetune
from noiseband.finetune.prompts import encode_example
from noiseband.finetune.rows import Row
from noiseband.finetune.tuner import Tuner, shuffled
from noiseband.finetune.watcher import Watcher
from noiseband.model.gpt import GPT
from noiseband.model.load import load_model
from noiseband.study.architecture import Model
from noiseband.study.config import Protocol
from noiseband.study.instructions import Lora

CPU = torch.device("cpu")
LORA = Lora(rank=2, alpha=8, dropout=0.0, targets=["W_query", "ff.layers.2"])
ADAPTED = {
    f"trf_blocks.{block}.{layer}.weight"
    for block in (0, 1)
    for layer in ("att.W_query", "ff.layers.2")
}
Tune = Callable[..., dict[str, Tensor]]


SHAPE: dict[str, Any] = {
    "vocabulary": 257, "context": 32, "width": 16, "heads": 2, "layers": 2, "dropout": 0.0,
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "untied": {},
    "tied and biased": {"tied": True, "qkv_bias": True},
    "modern": {
        "tied": True,
        "norm": {"kind": "rms"},
        "positions": {"kind": "rotary"},
        "attention": {"kv_heads": 1, "qk_norm": True, "bias": False, "window": 9, "full_every": 2},
        "feed_forward": {"kind": "swiglu", "bias": False},
        "logit_softcap": 15.0,
    },
}


@pytest.fixture(scope="module", params=list(MODELS))
def config(request: pytest.FixtureRequest) -> Model:
    return Model.model_validate({**SHAPE, **MODELS[request.param]})


@pytest.fixture
def adapted(protocol: Protocol) -> Protocol:
    return protocol.model_copy(update={"method": "lora", "lora": LORA, "dropout": 0.0})


@pytest.fixture
def tune(
    model_file: Path,
    config: Model,
    rows: list[Row],
    encoding: tiktoken.Encoding,
    adapted: Protocol,
    tmp_path: Path,
) -> Tune:
    """Fine-tune with changed arguments; return the tensors of `model.safetensors`."""

    def run(seed: int = 1, **changes: Any) -> dict[str, Tensor]:
        changed = adapted.model_copy(update=changes)
        finetune(model_file, config, "explicit", rows, encoding, changed, seed, tmp_path)
        return load_file(tmp_path / "model.safetensors")

    return run


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """The names of the tensors that are equal to the bit."""
    assert one.keys() == other.keys()
    return {name for name in one if one[name].numpy().tobytes() == other[name].numpy().tobytes()}


def test_only_the_chosen_weights_move_and_all_keep_their_names(
    tune: Tune, model_file: Path, config: Model, tmp_path: Path
) -> None:
    before, after = load_file(model_file), tune()
    assert before.keys() - same(before, after) == ADAPTED
    load_model(tmp_path / "model.safetensors", config, "explicit", CPU)  # as later stages do


def test_adapters_are_nothing_at_first_and_can_be_gone_back_to(
    model_file: Path,
    config: Model,
    adapted: Protocol,
    rows: list[Row],
    encoding: tiktoken.Encoding,
) -> None:
    before = load_file(model_file)
    examples = [encode_example(row, encoding, "short", config.context) for row in rows[:8]]
    for train in (False, True):
        tuner = Tuner(load_model(model_file, config, "explicit", CPU), adapted, 1, pad=256)
        first = tuner.loss(examples)
        if train:
            tuner.keep()
            tuner.epoch(1, examples, Watcher())
            assert tuner.loss(examples) != first
            tuner.go_back()
        assert tuner.loss(examples) == first
        assert same(before, tuner.weights()) == before.keys()


def test_a_rerun_gives_the_same_bits_and_another_seed_does_not(tune: Tune) -> None:
    dropping = LORA.model_copy(update={"dropout": 0.3})
    torch.manual_seed(1)
    first = tune(lora=dropping, dropout=0.1)
    torch.manual_seed(2)  # the state of the global generator must not matter
    assert same(first, tune(lora=dropping, dropout=0.1)) == first.keys()
    assert first.keys() - same(first, tune(seed=2, lora=dropping, dropout=0.1)) == ADAPTED
    assert first.keys() - same(first, tune(lora=LORA, dropout=0.1)) == ADAPTED


def test_the_seed_draws_the_adapters_too(tune: Tune, rows: list[Row]) -> None:
    # One batch holds all rows, so that their order changes only the rounding.
    one, other = (tune(seed=s, batch=27, epochs=2) for s in (1, 2))
    for name in ADAPTED:
        assert not torch.allclose(one[name], other[name], atol=1e-4)


def test_the_method_in_float64(
    tune: Tune,
    model_file: Path,
    config: Model,
    adapted: Protocol,
    rows: list[Row],
    encoding: tiktoken.Encoding,
) -> None:
    """Compared with W + (alpha / rank) B A and plain AdamW, without batches or padding."""
    tuner = Tuner(load_model(model_file, config, "explicit", CPU), adapted, 1, pad=256)
    drawn = dict(tuner.model.named_parameters())
    first = {
        name: drawn[name.replace(".weight", ".lora_A.default.weight")].detach().double()
        for name in sorted(ADAPTED)
    }
    model = load_model(model_file, config, "explicit", CPU).double()
    before = {name: p.detach() for name, p in model.named_parameters()}
    a = {name: value.clone().requires_grad_() for name, value in first.items()}
    b = {
        name: torch.zeros(len(before[name]), LORA.rank, dtype=torch.float64, requires_grad=True)
        for name in first
    }

    def merged() -> dict[str, Tensor]:
        moved = {name: before[name] + LORA.alpha / LORA.rank * (b[name] @ a[name]) for name in a}
        return before | moved

    optimizer = torch.optim.AdamW([*a.values(), *b.values()], lr=1e-2, weight_decay=0.1)
    train = [row for row in rows if row.split == "train"]
    order = shuffled(len(train), 1, 1)
    for begin in range(0, len(order), 4):
        losses = _losses(model, merged(), [train[i] for i in order[begin : begin + 4]], encoding)
        optimizer.zero_grad()
        torch.autograd.backward(losses.mean())
        optimizer.step()
    expected, found = merged(), tune(epochs=1)
    for name in ADAPTED:
        assert torch.allclose(found[name].double(), expected[name].detach(), atol=2e-6), name


def _losses(
    model: GPT, weights: dict[str, Tensor], rows: Sequence[Row], encoding: tiktoken.Encoding
) -> Tensor:
    """-log p of every token of some rows, computed row by row."""
    found = []
    for row in rows:
        tokens = torch.tensor(encode_example(row, encoding, "short", 32).tokens)
        logits = functional_call(model, weights, (tokens[None, :-1],))[0]
        found.append(F.cross_entropy(logits, tokens[1:], reduction="none"))
    return torch.cat(found)


def test_without_peft_it_says_what_to_install(tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"needs the package peft .*'noiseband\[lora\]'"):
        tune()


def test_targets_that_the_model_does_not_have_are_told(tune: Tune, config: Model) -> None:
    if config.feed_forward.gated:
        pytest.skip("has all targets")
    lora = LORA.model_copy(update={"targets": ["ff.gate"]})
    with pytest.raises(UserError, match=r"the model has no layer ff\.gate; name other layers"):
        tune(lora=lora)
