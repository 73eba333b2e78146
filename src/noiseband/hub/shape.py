"""The shape of a GPT2LMHeadModel, from its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from noiseband.errors import UserError
from noiseband.hub.gpt2 import DEFAULTS, FIELDS, check_config
from noiseband.study.recipe import Model


def shape_in(config: Mapping[str, Any], source: str) -> Model:
    """The model that a config.json describes, without dropout; it always has biases.

    Raises UserError, whose text begins with `source`, if our model cannot compute it.
    """
    try:
        values = {ours: config.get(theirs, DEFAULTS.get(theirs)) for theirs, ours in FIELDS.items()}
        model = Model(**values, qkv_bias=True, dropout=0.0)
    except ValidationError as error:
        first = error.errors()[0]
        said = ": ".join([*map(str, first["loc"]), first["msg"]])
        raise UserError(f"{source}: not the config of a GPT-2 ({said})") from None
    check_config(config, model, source)
    return model
