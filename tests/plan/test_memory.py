"""The estimated activations are compared with the bytes that a real forward pass keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from noiseband.model.gpt import empty_model
from noiseband.model.init import initial_weights
from noiseband.plan.memory import activations_of_blocks
from noiseband.study.architecture import Model
from noiseband.study.plugins import code_sha256
from noiseband.train.flat import FlatParameters
from tests.ideas import GOOD, write_plugin

SHAPE: dict[str, Any] = {
    "vocabulary": 300, "context": 128, "width": 64, "heads": 4, "layers": 4, "dropout": 0.0,
}  # fmt: skip
ROTARY = {"kind": "rotary"}
PARTS: list[dict[str, Any]] = [
    {},
    {"norm": {"kind": "rms"}},
    {"norm": {"place": "post"}},
    {"positions": ROTARY, "attention": {"kv_heads": 2, "window": 32}},
    {"attention": {"qk_norm": True, "documents": True}},
    {"attention": {"softcap": 5.0}},
    {"feed_forward": {"kind": "swiglu"}},
    {"feed_forward": {"kind": "relu2", "hidden": 100}},
    {"norm": {"kind": "rms"}, "positions": ROTARY, "feed_forward": {"kind": "swiglu"},
     "attention": {"kv_heads": 1, "qk_norm": True, "head_width": 32}},
]  # fmt: skip
BATCH = 4


def kept(config: Model, attention: Any) -> int:
    """Bytes of the tensors that the blocks of a training model keep for the backward pass."""
    model = empty_model(config, attention, fused=True).train()
    flat = FlatParameters(model, initial_weights(config, "keyed", 1), torch.device("cpu"))
    seen: dict[int, int] = {flat.weights.untyped_storage().data_ptr(): 0}
    alive = []

    def pack(tensor: Tensor) -> Tensor:
        alive.append(tensor)  # so that no other tensor gets its address
        storage = tensor.untyped_storage()
        seen.setdefault(storage.data_ptr(), storage.nbytes())
        return tensor

    tokens = torch.randint(config.vocabulary - 1, (BATCH, config.context))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.hidden(tokens)
    return sum(seen.values())


@pytest.mark.parametrize("attention", ["explicit", "sdpa"])
@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_activations_are_those_of_a_real_pass(parts: dict[str, Any], attention: Any) -> None:
    if parts == {"attention": {"softcap": 5.0}} and attention == "sdpa":
        pytest.skip("the fused kernel has no softcap")
    config = Model.model_validate({**SHAPE, **parts})
    estimate = BATCH * config.context * activations_of_blocks(config, attention, wide=True)
    assert estimate == pytest.approx(kept(config, attention), rel=0.15)


@pytest.mark.parametrize("part", ["feed_forward:square", "feed_forward:sparse", "norm:scaled"])
def test_what_an_idea_keeps_is_measured(part: str, tmp_path: Path) -> None:
    file = write_plugin(tmp_path / "ideas.py", GOOD)
    section, _, name = part.partition(":")
    own = {section: {"kind": f"ideas.{name}"}, "plugins": {str(file): code_sha256(GOOD)}}
    config = Model.model_validate({**SHAPE, **own})
    tokens = BATCH * config.context
    estimated = tokens * activations_of_blocks(config, "explicit", wide=True)
    assert estimated == pytest.approx(kept(config, "explicit"), rel=0.15)
