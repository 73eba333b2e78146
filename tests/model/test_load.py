"""Test that a file's tensors must match the model's in name, shape and type."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from noiseband.errors import UserError
from noiseband.model.init import initial_weights
from noiseband.model.load import load_model
from noiseband.study.architecture import Model

CONFIG = Model(vocabulary=50, context=8, width=12, heads=2, layers=1)
CPU = torch.device("cpu")


def stored(folder: Path, weights: dict[str, Tensor], note: str = "") -> Path:
    file = folder / "model.safetensors"
    save_file(weights, file, metadata={"note": note} if note else None)
    return file


@pytest.mark.parametrize("tied", [False, True])
def test_weights_arrive_and_the_model_is_for_use(tmp_path: Path, tied: bool) -> None:
    config = CONFIG.model_copy(update={"tied": tied})
    weights = initial_weights(config, "keyed", 3)
    model = load_model(stored(tmp_path, weights), config, "explicit", CPU)
    assert not model.training
    loaded = dict(model.named_parameters())
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


def test_alignment_does_not_follow_the_file(tmp_path: Path) -> None:
    weights = initial_weights(CONFIG, "keyed", 3)
    for note in ("", "a", "a longer note"):
        model = load_model(stored(tmp_path, weights, note), CONFIG, "explicit", CPU)
        assert {parameter.data_ptr() % 64 for parameter in model.parameters()} == {0}


def test_misfits_are_named(tmp_path: Path) -> None:
    good = initial_weights(CONFIG, "keyed", 3)

    def complaint(weights: dict[str, Tensor]) -> str:
        with pytest.raises(UserError) as error:
            load_model(stored(tmp_path, weights), CONFIG, "explicit", CPU)
        return str(error.value)

    fewer = {name: value for name, value in good.items() if name != "final_norm.shift"}
    assert "final_norm.shift is missing from the file" in complaint(fewer)
    more = complaint(good | {"extra.weight": torch.zeros(3)})
    assert "extra.weight is not in the model" in more
    wide = complaint(good | {"pos_emb.weight": torch.zeros(8, 13)})
    assert "pos_emb.weight is torch.float32 (8, 13), should be torch.float32 (8, 12)" in wide
    half = complaint(good | {"pos_emb.weight": torch.zeros(8, 12, dtype=torch.float16)})
    assert "pos_emb.weight is torch.float16 (8, 12)" in half


def test_no_safetensors_file(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"not weights at all")
    with pytest.raises(UserError, match="not a safetensors file"):
        load_model(file, CONFIG, "explicit", CPU)
