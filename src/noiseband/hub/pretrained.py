"""Convert pretrained weights to a model of this study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from noiseband.errors import UserError
from noiseband.hub.classes import check_config, from_hub
from noiseband.hub.reference import from_reference
from noiseband.io.checksums import file_sha256
from noiseband.io.digests import digest, digests
from noiseband.io.files import atomic, write_json
from noiseband.io.hub_files import fetch_file
from noiseband.study.params import PretrainedParams

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def write_pretrained(params: PretrainedParams, out: Path) -> None:
    """Write `model.safetensors`, its digests `model.json`, and `pretrained.json` into `out`.

    `pretrained.json` says where the weights come from: repository, revision, and the SHA-256 of
    the file. Positions beyond `params.context` are dropped, so that the model sees as much text as
    the study's runs. Raises UserError if a file is unavailable or does not fit the model.
    """
    read = from_reference if params.layout == "reference" else from_hub
    with _files(params, out / ".source") as folder:
        source, file = params.repo or str(params.path), folder / params.file
        if params.layout != "reference":
            check_config(_config(folder / CONFIG), params.model, f"{source}: {CONFIG}")
        found = _sha256(file)
        if params.sha256 not in (None, found):
            raise UserError(
                f"{source}: {params.file} has SHA-256 {found}, not {params.sha256}; correct "
                "`sha256`, or get the right file"
            )
        weights = read(_tensors(file), params.model, f"{source}: {params.file}")
    if params.weights_sha256 and (own := digest(weights)) != params.weights_sha256:
        raise UserError(
            f"{source}: the weights in {params.file} have the digest {own}, not "
            f"{params.weights_sha256}; "
            "correct `weights_sha256`, or ask who published them"
        )
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise UserError(
                f"{source}: {params.file}: {name} has values that are not finite; leave the "
                "model out, or ask who published it"
            )
    if "pos_emb.weight" in weights:
        weights["pos_emb.weight"] = weights["pos_emb.weight"][: params.context].clone()
    card = {
        "repo": params.repo,
        "revision": params.revision,
        "file": params.file,
        "sha256": found,
        "model": params.model.model_dump(exclude={"dropout"}),
        "context": params.context,
        "parameters": sum(weight.numel() for weight in weights.values()),
    }
    write_json(out / "pretrained.json", card)
    write_json(out / "model.json", digests(weights))
    with atomic(out / WEIGHTS) as temporary:
        save_file(weights, temporary)


@contextmanager
def _files(params: PretrainedParams, scratch: Path) -> Iterator[Path]:
    """The folder with config.json and the weights; files of a repository are downloaded first.

    `scratch` is removed afterwards. Its name is fixed, so that the next start also removes what a
    killed process left there.
    """
    if params.repo is None:
        yield Path(str(params.path))
        return
    assert params.revision is not None  # the config demands it
    try:
        repo, revision, file = params.repo, params.revision, params.file
        if params.layout != "reference":
            fetch_file(repo, revision, CONFIG, scratch / CONFIG)
        fetch_file(repo, revision, file, scratch / file, sha256=params.sha256)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _config(path: Path) -> dict[str, object]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; set `path` to the model's folder") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: not a model's config")
    return config


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; set `path` to the model's folder") from error


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path}: not a safetensors file ({error})") from None
