"""Import a published run in place of training it, if it is the study's run to the bit."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from noiseband.errors import NotMadeError, UserError
from noiseband.hub.classes import from_hub
from noiseband.hub.entry import WEIGHTS, Import
from noiseband.io.digests import digest
from noiseband.io.files import atomic, write_json
from noiseband.io.hub_files import fetch_file
from noiseband.io.traces import read_rows
from noiseband.model.gpt import empty_model
from noiseband.repro.manifest import artefact_digest
from noiseband.repro.verify import differing_keys
from noiseband.study import Run, Study
from noiseband.study.params import TrainParams
from noiseband.terminal import one_line
from noiseband.train.flat import FlatParameters

FILES = ("trace.parquet", "samples.jsonl", "model.json", "timing.json", "provenance.json")
"""The files that training writes besides the recipe and the weights."""


def adopt(study: Study, run: Run, found: Import) -> Path:
    """Write the published run's files where the study's own training would have left them.

    The study then continues as if it had trained the run itself. This requires that the recipes
    have the same digest, and that the tokens, the vocabulary and the initial weights that the
    published run read are those of this study.

    Returns:
        The run's folder.

    Raises:
        UserError: something differs, or the run exists already; then nothing is written.
        NotMadeError: the inputs of the run, which are compared, do not exist yet.
    """
    folder, records = study.paths.run(run.name), found.records
    source = f"{found.source.repo}: noiseband"
    if run.repeat_of is not None:
        raise UserError(f"--run {run.name}: a repeat must be trained afresh; leave --run out")
    if (folder / WEIGHTS).exists():
        removal = shlex.join(["rm", "-r", str(folder)])
        raise UserError(f"{folder} has a trained run already; remove it first: {removal}")
    for name in ("recipe.json", "model.json", "provenance.json"):
        if name not in records:
            raise UserError(f"{source}/{name}: missing; choose a run that noiseband published")
    _same_recipe(run, records["recipe.json"], source)
    _same_inputs(study, run, found.record("provenance.json", "inputs"), source)
    with tempfile.TemporaryDirectory(prefix="noiseband-import-") as scratch:
        files = {name: _fetched(found, f"noiseband/{name}", Path(scratch)) for name in FILES}
        weights = _weights(_fetched(found, WEIGHTS, Path(scratch)), run, found)
        _same_outputs(files, found.record("provenance.json", "outputs"), source)
        _ends_with(files["trace.parquet"], weights, run, source)
        for name, path in files.items():
            with atomic(folder / name) as temporary:
                temporary.write_bytes(path.read_bytes())
    # The run's name and description come from this study, not from the published one.
    recipe = TrainParams.of(study, run).model_dump(exclude={"samples", "checkpoints"})
    write_json(folder / "recipe.json", {**recipe, "digest": run.recipe.digest})
    with atomic(folder / WEIGHTS) as temporary:
        save_file(weights, temporary)
    return folder


def _same_recipe(run: Run, card: dict[str, Any], source: str) -> None:
    if card.get("digest") == run.recipe.digest and card.get("recipe") == run.recipe.model_dump():
        return
    recipe = card.get("recipe")
    changes = differing_keys(run.recipe.model_dump(), recipe if isinstance(recipe, dict) else {})
    raise UserError(
        f"{source}/recipe.json: differs from the recipe of {run.name}: "
        f"{one_line('; '.join(changes)) or 'its digest'}"
    )


def _same_inputs(study: Study, run: Run, digests: dict[str, Any], source: str) -> None:
    inputs = {
        "tokens": study.training_tokens(run),
        "vocabulary": study.paths.vocabulary(run.corpus),
        "init": study.start_file(run),
    }
    for name, path in inputs.items():
        if not path.is_file():
            raise NotMadeError(path)
        if (own := artefact_digest(path)) != digests.get(name):
            raise UserError(
                f"{source}/provenance.json: the digest of {name} is not that of {path}: "
                f"{one_line(str(digests.get(name)))}, not {own}"
            )


def _same_outputs(files: dict[str, Path], digests: dict[str, Any], source: str) -> None:
    for name, path in files.items():
        if name in digests and (own := artefact_digest(path)) != digests[name]:
            raise UserError(
                f"{source}/{name}: has the digest {own}, not the one in provenance.json"
            )


def _weights(file: Path, run: Run, found: Import) -> dict[str, Tensor]:
    source = f"{found.source.repo}: {WEIGHTS}"
    try:
        weights = from_hub(load_file(file), run.model, source)
    except SafetensorError as error:
        raise UserError(f"{source}: not a safetensors file ({error})") from None
    if (own := digest(weights)) != found.source.weights_sha256:
        raise UserError(
            f"{source}: its weights have the digest {own}, not the one in noiseband/model.json"
        )
    return weights


def _ends_with(trace: Path, weights: dict[str, Tensor], run: Run, source: str) -> None:
    """Raise UserError unless the trace's last checksum is that of the weights."""
    last = read_rows(trace)[-1]
    flat = FlatParameters(empty_model(run.model, fused=True), weights, torch.device("cpu"))
    if (last.step + 1, last.weights_checksum) != (run.built_in.steps, int(flat.checksum())):
        raise UserError(f"{source}/trace.parquet: does not end with these weights")


def _fetched(found: Import, name: str, scratch: Path) -> Path:
    assert found.source.repo is not None
    assert found.source.revision is not None  # an import always has a repository and a pin
    fetch_file(found.source.repo, found.source.revision, name, scratch / name)
    return scratch / name
