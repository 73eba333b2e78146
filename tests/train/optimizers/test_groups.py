"""Groups of parameters, by kind and by name."""

from __future__ import annotations

from typing import Any

import pytest

from noiseband.errors import UserError
from noiseband.model.gpt import parameter_shapes
from noiseband.study.architecture import Model
from noiseband.study.optimizer import Optimizer
from noiseband.train.optimizers.groups import Settings, grouped, kind_of

SHAPES = parameter_shapes(
    Model(vocabulary=64, context=8, width=8, heads=2, layers=2, qkv_bias=True)
)


def optimizer(**changes: Any) -> Optimizer:
    return Optimizer.model_validate({"learning_rate": 0.01, **changes})


def test_every_parameter_has_a_kind() -> None:
    kinds: dict[str, list[str]] = {}
    for name in SHAPES:
        kinds.setdefault(kind_of(name), []).append(name)
    assert kinds["embeddings"] == ["tok_emb.weight", "pos_emb.weight"]
    assert kinds["head"] == ["out_head.weight"]
    assert all(name.endswith((".scale", ".shift")) for name in kinds["norms"])
    assert len(kinds["norms"]) == 2 * 5
    assert all(name.endswith(".bias") for name in kinds["biases"])
    assert len(kinds["biases"]) == 2 * 6
    assert len(kinds["matrices"]) == 2 * 6
    assert all(len(SHAPES[name]) == 2 for name in kinds["matrices"])


def test_without_groups_all_parameters_are_one() -> None:
    assert grouped(optimizer(), SHAPES) == {Settings("adamw", 1.0, 0.1): list(SHAPES)}


def test_muon_has_the_matrices_and_adamw_the_rest() -> None:
    found = grouped(optimizer(kind="muon", muon={"weight_decay": 0.3}), SHAPES)
    matrices = [name for name in SHAPES if kind_of(name) == "matrices"]
    assert found[Settings("muon", 1.0, 0.3)] == matrices
    assert sorted(found[Settings("adamw", 1.0, 0.1)] + matrices) == sorted(SHAPES)


def test_the_first_group_that_contains_a_parameter_counts() -> None:
    groups = [
        {"parameters": "trf_blocks.1.ff.*", "multiple": 0.5},
        {"parameters": "biases", "weight_decay": 0.0},
        {"parameters": "*", "multiple": 2.0, "weight_decay": 0.2},
    ]
    found = grouped(optimizer(groups=groups), SHAPES)
    of = {name: settings for settings, names in found.items() for name in names}
    assert of["trf_blocks.1.ff.layers.0.bias"] == Settings("adamw", 0.5, 0.1)
    assert of["trf_blocks.0.ff.layers.0.bias"] == Settings("adamw", 1.0, 0.0)
    assert of["tok_emb.weight"] == Settings("adamw", 2.0, 0.2)
    assert sum(map(len, found.values())) == len(SHAPES)


def test_a_kind_that_a_model_has_none_of_is_empty() -> None:
    tied = parameter_shapes(Model(vocabulary=64, context=8, width=8, heads=2, layers=2, tied=True))
    groups = [{"parameters": "head", "multiple": 0.5}]
    assert grouped(optimizer(groups=groups), tied) == {Settings("adamw", 1.0, 0.1): list(tied)}


def test_a_kind_that_does_not_exist_is_told_when_the_config_is_read() -> None:
    with pytest.raises(ValueError, match=r"'norm' is no kind of parameters; did you mean norms\?"):
        optimizer(groups=[{"parameters": "norm"}])


def test_a_pattern_without_parameters_is_an_error() -> None:
    groups = [{"parameters": "biases"}, {"parameters": "trf_blocks.2.*"}]
    with pytest.raises(UserError) as error:
        grouped(optimizer(groups=groups), SHAPES)
    assert str(error.value) == (
        "recipe.optimizer.groups[1].parameters: 'trf_blocks.2.*' is no parameter of the model; "
        "its parameters have names such as 'out_head.weight'"
    )
