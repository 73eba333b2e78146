"""A published run in the place of a study's own run, where nothing tells the two apart."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from noiseband.errors import NotMadeError, UserError
from noiseband.files import atomic, write_json
from noiseband.hub.entry import WEIGHTS, Import
from noiseband.hub.fetch import fetch_file
from noiseband.hub.gpt2 import from_gpt2
from noiseband.model.gpt import empty_model
from noiseband.repro.digest import digest
from noiseband.repro.manifest import artefact_digest
from noiseband.repro.verify import differing_keys
from noiseband.study import Run, Study
from noiseband.study.params import TrainParams
from noiseband.terminal import one_line
from noiseband.trace import read_rows
from noiseband.train.flat import FlatParameters

FILES = ("trace.parquet", "samples.jsonl", "model.json", "timing.json", "provenance.json")
"""What training leaves beside recipe and weights."""


def adopt(study: Study, run: Run, found: Import) -> Path:
    """Write the published run's files where the study's own training would have left them.

    The study then goes on as if it had trained the run: it is evaluated, a baseline of verdicts if
    it is one, and not trained. For that its recipe must be the run's to the digest, and the tokens,
    vocabulary and initial weights it read those of this study.

    Returns:
        The run's folder.

    Raises:
        UserError: something is not the same, or the run is there already; then nothing is written.
        NotMadeError: inputs of the run are not there yet, to be compared.
    """
    folder, records = study.results / "runs" / run.name, found.records
    source = f"{found.source.repo}: noiseband"
    if run.repeat_of is not None:
        raise UserError(f"--run {run.name}: is there to be trained afresh; leave --run out")
    if (folder / WEIGHTS).exists():
        raise UserError(f"{folder} has a trained run already; remove it first: rm -r {folder}")
    for name in ("recipe.json", "model.json", "provenance.json"):
        if name not in records:
            raise UserError(f"{source}/{name}: not there; only a run that noiseband published fits")
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
    # The name and what it changes are this study's own words.
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
        f"{source}/recipe.json: not the recipe of {run.name}: "
        f"{one_line('; '.join(changes)) or 'its digest'}"
    )


def _same_inputs(study: Study, run: Run, digests: dict[str, Any], source: str) -> None:
    tokens = study.results / "tokens" / run.corpus
    inputs = {
        "tokens": tokens / "train.safetensors",
        "vocabulary": tokens / "vocabulary.tiktoken",
        "init": study.results / study.start_file(run),
    }
    for name, path in inputs.items():
        if not path.is_file():
            raise NotMadeError(path)
        if (own := artefact_digest(path)) != digests.get(name):
            raise UserError(
                f"{source}/provenance.json: the run read other {name} than {path}: "
                f"{one_line(str(digests.get(name)))}, not {own}"
            )


def _same_outputs(files: dict[str, Path], digests: dict[str, Any], source: str) -> None:
    for name, path in files.items():
        if name in digests and (own := artefact_digest(path)) != digests[name]:
            raise UserError(
                f"{source}/{name}: has the digest {own}, not the one of provenance.json"
            )


def _weights(file: Path, run: Run, found: Import) -> dict[str, Tensor]:
    source = f"{found.source.repo}: {WEIGHTS}"
    try:
        weights = from_gpt2(load_file(file), run.model, source)
    except SafetensorError as error:
        raise UserError(f"{source}: not a safetensors file ({error})") from None
    if (own := digest(weights)) != found.source.weights_sha256:
        raise UserError(f"{source}: has weights of digest {own}, not those of noiseband/model.json")
    return weights


def _ends_with(trace: Path, weights: dict[str, Tensor], run: Run, source: str) -> None:
    """The trace's last checksum must be that of the weights."""
    last = read_rows(trace)[-1]
    flat = FlatParameters(empty_model(run.model, fused=True), weights, torch.device("cpu"))
    if (last.step + 1, last.weights_checksum) != (run.recipe.steps, int(flat.checksum())):
        raise UserError(f"{source}/trace.parquet: does not end with these weights")


def _fetched(found: Import, name: str, scratch: Path) -> Path:
    assert found.source.repo is not None
    assert found.source.revision is not None  # an import is of a repository, and pinned
    fetch_file(found.source.repo, found.source.revision, name, scratch / name)
    return scratch / name
