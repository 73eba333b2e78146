"""Convert models between noiseband and the classes of `transformers` that compute the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from noiseband.errors import UserError
from noiseband.hub import gpt2, layouts, llama
from noiseband.hub.layouts import Names
from noiseband.model.gpt import parameter_shapes
from noiseband.study.architecture import Model
from noiseband.study.hub_classes import CLASSES, HubClass, beyond_hub, hub_class
from noiseband.study.section import flatten, written


def class_of(model: Model) -> HubClass:
    """The class that computes what the model computes; UserError if there is none."""
    found = hub_class(model)
    if found is None:
        raise UserError(
            f"{beyond_hub(model)}: no class of transformers computes this, so the model cannot be "
            "exported; evaluate it by `loss` or `choice`, which need no export"
        )
    return found


def names_of(kind: HubClass) -> Names:
    """The names by which a class goes."""
    return gpt2.NAMES if kind == "gpt2" else llama.names(kind)


def to_hub(weights: Mapping[str, Tensor], model: Model) -> dict[str, Tensor]:
    """Convert our parameters to those of the class that computes the model; a tied head is left
    out. UserError if there is no such class."""
    module = gpt2 if class_of(model) == "gpt2" else llama
    return layouts.to_theirs(weights, module.entries(model, parameter_shapes(model)))


def from_hub(tensors: Mapping[str, Tensor], model: Model, source: str) -> dict[str, Tensor]:
    """Convert their tensors to our parameters: float32, each in its own memory.

    Raises UserError, whose text begins with `source`, for tensors that are missing, unknown or of
    another shape.
    """
    kind, shapes = class_of(model), parameter_shapes(model)
    entries = (gpt2 if kind == "gpt2" else llama).entries(model, shapes)
    return layouts.from_theirs(tensors, entries, names_of(kind), model, shapes, source)


def config_of(model: Model) -> dict[str, Any]:
    """The config.json of the class that computes the model, without token ids."""
    kind = class_of(model)
    module = gpt2 if kind == "gpt2" else llama
    return {"architectures": [CLASSES[kind]], **module.config_of(model), **module.extras(model)}


def shape_of(config: Mapping[str, Any], source: str) -> Model:
    """The model that a config.json describes, with every bias that its class may have.

    Raises UserError, whose text begins with `source`, if our model cannot be it.
    """
    kind = config.get("model_type")
    if kind not in CLASSES:
        raise UserError(f"{source}: model_type is {kind!r}; noiseband reads {', '.join(CLASSES)}")
    try:
        return gpt2.shape_of(config) if kind == "gpt2" else llama.shape_of(config)
    except ValidationError as error:
        first = error.errors()[0]
        said = ": ".join([*map(str, first["loc"]), first["msg"]])
        raise UserError(f"{source}: not the config of a {kind} ({said})") from None
    except ValueError as error:
        raise UserError(f"{source}: not the config of a {kind} ({error})") from None


def check_config(config: Mapping[str, Any], model: Model, source: str) -> None:
    """Raise UserError if a config.json does not describe our model with this shape."""
    kind = class_of(model)
    if kind == "gpt2":
        gpt2.check_config(config, model, source)
        return
    theirs, ours = _comparable(shape_of(config, source)), _comparable(model)
    for key, value in theirs.items():
        if ours[key] != value:
            raise UserError(
                f"{source}: not the model that the study describes: the study has model.{key}: "
                f"{written(ours[key])}; write {written(value)}"
            )


def _comparable(model: Model) -> dict[str, Any]:
    """The keys of a model that a config.json decides, with defaults written out. Biases are found
    in the tensors."""
    whole = flatten(model.whole(exclude={"dropout", "initial_weights", "qkv_bias"}))
    whole |= {
        "attention.kv_heads": model.kv_heads,
        "attention.head_width": model.head_width,
        "feed_forward.hidden": model.hidden,
        "feed_forward.multiple": None,
    }
    ignored = ("norm.weight", "norm.bias", "attention.bias", "feed_forward.bias")
    return {key: value for key, value in whole.items() if key not in ignored}
