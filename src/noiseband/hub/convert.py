"""Convert the model that a command exported to one that noiseband fine-tunes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from noiseband.errors import UserError
from noiseband.hub.classes import check_config, from_hub, shape_of
from noiseband.hub.rank_file import read_tokenizer
from noiseband.io.files import atomic, write_json

CONFIG, WEIGHTS = "config.json", "model.safetensors"
BY_TOKEN = ("tok_emb.weight", "out_head.weight")
"""The parameters that have a row for each token id."""


def write_converted(export: Path, out: Path) -> None:
    """Write `model.safetensors`, `vocabulary.tiktoken` and the model's `shape.json` into `out`.

    The rows of the token embedding and of the head are put into the order of the rank file. Rows
    of ids that no text has, such as padding, are left out. Weights become float32; they need not be
    finite, as those of a run that diverged are not.

    Args:
        export: folder with a model of a class that noiseband reads (`study.hub_classes`) and its
            tokenizer, as `save_pretrained` writes them.

    Raises:
        UserError: a file is missing, or is not that of such a model; nothing is written.
    """
    config, source = _config(export / CONFIG), str(export / CONFIG)
    model = shape_of(config, source)
    check_config(config, model, source)
    tokenizer = read_tokenizer(export)
    if (most := max(tokenizer.ids)) >= model.vocabulary:
        raise UserError(
            f"{export}: the tokenizer has the id {most:,}, but the model has {model.vocabulary:,} "
            "ids; have the command save the tokenizer that the model was trained with"
        )
    weights = from_hub(_tensors(export / WEIGHTS), model, str(export / WEIGHTS))
    order = torch.tensor(tokenizer.ids)
    weights |= {name: weights[name][order] for name in BY_TOKEN if name in weights}
    shape = model.model_copy(update={"vocabulary": len(tokenizer.ids)})
    write_json(out / "shape.json", shape.model_dump())
    with atomic(out / "vocabulary.tiktoken") as temporary:
        temporary.write_bytes(tokenizer.lines)
    with atomic(out / WEIGHTS) as temporary:
        save_file(weights, temporary)


def _config(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_there(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    if not isinstance(found, dict):
        raise UserError(f"{path}: not a model's config")
    return found


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(_there(path))
    except SafetensorError as error:
        raise UserError(f"{path}: not a safetensors file ({error})") from None


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; fine-tuning reads a model of transformers: have the command "
            "save one there in one file, by model.save_pretrained, or remove finetuning"
        )
    return path
